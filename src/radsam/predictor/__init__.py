"""One slice: encode it once, answer any number of prompts."""

from radsam.predictor.embedding_cache import EmbeddingCache, EmbeddingStore, temporary_store
from radsam.predictor.slice_mask import SliceMask, SlicePrompt
from radsam.predictor.slice_predictor import EncodedSlice, SlicePredictor

__all__ = [
    "EmbeddingCache",
    "EmbeddingStore",
    "EncodedSlice",
    "SliceMask",
    "SlicePredictor",
    "SlicePrompt",
    "temporary_store",
]
