"""Six lessons: predict first, then see, then know why."""
