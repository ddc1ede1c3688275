"""Between napari's layers and the engine: images in, prompts in, labels out."""
