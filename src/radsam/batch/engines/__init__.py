"""Who does the volumes of a plan: this process, Ray's workers or SLURM's jobs. All run `segment_volume`."""
