"""One fit on several processes: how they meet, what each takes, and what they tell each other.

Under ``torchrun`` the processes, called ranks, train one fit data-parallel. They begin with the
parameters of rank 0, take the same minibatch, and share its rows out. A rank's loss is an
estimate for the full data from its own rows. Loss, gradients and running averages are then
averaged, and all ranks clip and update alike, so that they hold the same parameters after every
step. With the same noise these are the steps of one process on the whole minibatch, as far as the
loss is a sum over rows.

Noise is each rank's own: that of a step follows from the seed, the rank and the step. A fit that
is resumed on as many ranks therefore takes the same numbers; on another number of ranks it goes on
with other noise. Rank 0 reads and writes folders, validates, and decides; all stop together.

What ranks cannot do: parameters that only some step makes are refused, because another rank may
not make them, and so are replicas, ``compile=True``, ``until="converged"`` and models whose rows
are in no plate named "data". Batch normalisation takes the statistics of a rank's own rows. State
that a model keeps in plain Python attributes is not averaged.
"""
