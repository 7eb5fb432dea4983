"""The parts of the collection, in the order of the shelves."""

PARTS = {
    "architectures": "Architectures",
    "self-supervised": "Self-supervised learning",
    "video": "Video",
    "multimodal": "Vision and language",
    "evaluation": "Evaluation",
    "foundations": "Foundations",
    "notes": "Notes",
}
