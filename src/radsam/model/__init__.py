"""The SAM family as torch modules: tensors in, tensors out, no state.

`sam_config`, `sam_presets` and `prompt_tokens` load without torch; everything else needs it.
"""
