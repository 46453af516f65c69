"""Engines that segment the volumes of a plan: this process, Ray's workers, SLURM's jobs. All call `segment_volume`."""
