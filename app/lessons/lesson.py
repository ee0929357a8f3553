"""What a lesson is: an idea, parts with a question each, and where it comes from."""

from collections.abc import Callable
from dataclasses import dataclass

from app.lessons.material import Material
from app.lessons.quiz import Question


@dataclass(frozen=True)
class Part:
    """A question and what answers it.

    Attributes:
        title: of the part.
        before: what one has to know to guess.
        question: the prediction.
        see: draws what answers it.
    """

    title: str
    before: str
    question: Question
    see: Callable[[Material], None]


@dataclass(frozen=True)
class Lesson:
    """One lesson.

    Attributes:
        key: its name in the address.
        title: of the lesson.
        idea: the one thing to take home, in two or three sentences.
        parts: what is asked and shown, in order.
        sources: papers, as author, year and title.
    """

    key: str
    title: str
    idea: str
    parts: tuple[Part, ...]
    sources: tuple[str, ...]

    def is_done(self, solved: set[str]) -> bool:
        """Tell whether all its questions were answered rightly."""
        return all(part.question.key in solved for part in self.parts)
