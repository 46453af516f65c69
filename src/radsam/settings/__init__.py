"""Configurations of training and benchmark: TOML files that become frozen dataclasses, checked by pydantic."""

from radsam.settings.preset_files import find_config, preset_names, presets_folder
from radsam.settings.settings_file import read_settings, settings_from_dict
from radsam.settings.settings_section import STRICT, Count, Share, hash_of_values, plain_values, require

__all__ = [
    "STRICT",
    "Count",
    "Share",
    "find_config",
    "hash_of_values",
    "plain_values",
    "preset_names",
    "presets_folder",
    "read_settings",
    "require",
    "settings_from_dict",
]
