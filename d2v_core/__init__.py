"""Training and encoding: data2vec 1.0 and 2.0 and their rivals, for images, audio and text."""
