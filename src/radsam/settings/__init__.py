"""Configurations of training and benchmark: TOML files that become frozen dataclasses."""

from radsam.settings.checked import Checked, at_least, one_of, within
from radsam.settings.presets import find_config, preset_names, presets_folder
from radsam.settings.toml import read_settings, settings_from_dict

__all__ = [
    "Checked",
    "at_least",
    "find_config",
    "one_of",
    "preset_names",
    "presets_folder",
    "read_settings",
    "settings_from_dict",
    "within",
]
