"""One slice: encode it once, predict masks from any number of prompts."""

from radsam.predictor.embedding_cache import EmbeddingCache, EmbeddingStore, temporary_store
from radsam.predictor.object_predictor import ObjectPredictor, choose_view
from radsam.predictor.slice_mask import MaskSource, SliceMask, SlicePrompt
from radsam.predictor.slice_predictor import EncodedSlice, ObjectView, SlicePredictor

__all__ = [
    "EmbeddingCache",
    "EmbeddingStore",
    "EncodedSlice",
    "MaskSource",
    "ObjectPredictor",
    "ObjectView",
    "SliceMask",
    "SlicePredictor",
    "SlicePrompt",
    "choose_view",
    "temporary_store",
]
