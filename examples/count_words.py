"""The most frequent words of some files, with a service of one's own.

pip install ./examples/wordcount_service      # here, and on the cluster's workers
python examples/count_words.py [HOST:PORT] FILE...
"""

from __future__ import annotations

import sys
from pathlib import Path

from headrace import Cluster

try:
    from wordcount_service import plan_count
except ImportError:
    sys.exit("first install the service: pip install ./examples/wordcount_service")


def main() -> None:
    files = [Path(word) for word in sys.argv[1:] if Path(word).is_file()]
    address = next((word for word in sys.argv[1:] if not Path(word).is_file()), None)
    texts = [file.read_text() for file in files or [Path(__file__)]]
    with Cluster(address) as cluster:
        counts = cluster.submit("wordcount", plan_count(texts, least_letters=4)).result()
    for word, times in list(counts.items())[:5]:
        print(f"{times:6} {word}")


if __name__ == "__main__":
    main()
