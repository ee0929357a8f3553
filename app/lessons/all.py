"""All lessons, in the order in which they build on each other."""

from app.lessons import masking, pairs, senses, spaces, targets, teacher

LESSONS = (
    masking.LESSON,
    teacher.LESSON,
    targets.LESSON,
    senses.LESSON,
    spaces.LESSON,
    pairs.LESSON,
)
