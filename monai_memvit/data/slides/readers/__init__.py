"""Reading whole slides: one small interface over openslide and wsidicom, every failure a ``SlideError``."""
