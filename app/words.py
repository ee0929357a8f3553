"""The words that both faces use for the same things."""

SINGULAR = {"image": "A picture", "audio": "A sound", "text": "A sentence"}
PLURAL = {"image": "pictures", "audio": "sounds", "text": "sentences"}
