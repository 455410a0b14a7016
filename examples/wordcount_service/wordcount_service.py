"""A service of one's own: how often each word is in some texts. Installed on client and workers."""

import json
import re
from collections import Counter

from headrace_services.service import Gathered, Plan


def plan_count(texts, least_letters=1):
    """Plan a task for each text."""
    inputs = [text.encode() for text in texts]
    return Plan("count", {"least_letters": least_letters}, len(inputs), inputs)


class WordcountService:
    name = "wordcount"
    operations = ("count",)

    def engine(self):
        return "wordcount 1.0"

    def prepare(self, operation, parameters):
        word = re.compile(rf"\w{{{parameters['least_letters']},}}")
        return lambda index, text: json.dumps(Counter(word.findall(text.decode().lower()))).encode()

    def describe(self, operation, parameters, index, text):
        return f"count text {index}"

    def is_ordered(self, operation):
        return False

    def gather(self, operation, parameters, values, target):
        total = sum((Counter(json.loads(value)) for _, value in values), Counter())
        lines = "".join(f"{times} {word}\n" for word, times in total.most_common(10))
        return Gathered(result=dict(total.most_common()), text=lines)


WORDCOUNT = WordcountService()
