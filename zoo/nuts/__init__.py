"""The no-U-turn sampler: many chains at once, on one compiled loop of leapfrog steps."""
