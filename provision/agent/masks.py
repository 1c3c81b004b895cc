"""Secrets that steps carry are taken out of whatever the agent says (design D10). Shipped."""

from typing import Any, List

from provision.secrets import MASK

#: shorter texts than this are no secrets that could be kept, and hiding them would garble everything
SHORTEST = 4


class Masks:
    """The secrets of a run, as far as its steps have brought them."""

    def __init__(self) -> None:
        self._texts: List[str] = []

    def learn(self, fields: Any) -> None:
        """Take in the secrets in a step's message, each line of one that has several by itself as well."""
        if isinstance(fields, list):
            for item in fields:
                self.learn(item)
        elif isinstance(fields, dict):
            if isinstance(fields.get("$secret"), str):
                text = fields["$secret"]
                for part in [text, *text.splitlines()]:
                    if len(part.strip()) >= SHORTEST and part not in self._texts:
                        self._texts.append(part)
                # a secret that is a part of another one must not spoil it for the search
                self._texts.sort(key=len, reverse=True)
            self.learn(list(fields.values()))

    def hide(self, text: str) -> str:
        """text without the secrets."""
        for secret in self._texts:
            text = text.replace(secret, MASK)
        return text

    def hide_in(self, answer: Any) -> Any:
        """A message without the secrets."""
        if not self._texts:
            return answer
        if isinstance(answer, str):
            return self.hide(answer)
        if isinstance(answer, (list, tuple)):
            return [self.hide_in(item) for item in answer]
        if isinstance(answer, dict):
            return {key: self.hide_in(value) for key, value in answer.items()}
        return answer
