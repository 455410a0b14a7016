"""ThreadPoolExecutor's example, with pages that need no network, and the guard of __main__."""

from __future__ import annotations

import concurrent.futures
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

#: Where it runs: on five threads of this machine, or on the cluster at an address.
WHERE: Any = sys.argv[1] if sys.argv[1:] else 5

URLS = ["http://a.example/", "http://bb.example/", "http://ccc.example/", "http://nonexistent/"]


# Retrieve a single page and report the URL and contents
def load_url(url: str, timeout: float) -> bytes:
    if "nonexistent" in url:
        raise TimeoutError(f"no answer in {timeout} s")
    return b"." * len(url)


if __name__ == "__main__":
    lines: list[str] = []
    # We can use a with statement to ensure threads are cleaned up promptly
    with ThreadPoolExecutor(max_workers=WHERE) as executor:
        # Start the load operations and mark each future with its URL
        future_to_url = {executor.submit(load_url, url, 60): url for url in URLS}
        for future in concurrent.futures.as_completed(future_to_url):
            url = future_to_url[future]
            try:
                data = future.result()
            except Exception as exc:  # noqa: BLE001 - as it is printed
                lines.append(f"{url!r} generated an exception: {exc}")
            else:
                lines.append(f"{url!r} page is {len(data)} bytes")
    print("\n".join(sorted(lines)))
