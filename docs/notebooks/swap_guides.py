# %% [markdown]
# # Swap guides on a fixed model
#
# A variational fit has two parts that move: the model and the guide. If both are trained, a guide that
# fits badly also bends the model, and their bounds cannot be told apart. Here the model is trained once
# and **held**. Then several guides are fitted to its posterior, and differ in inference alone.
#
# First a model whose posterior is known exactly, so that we can see what each guide must lose. Then a
# variational autoencoder, where nobody knows it.

# %%
import guides
import zoo

# %% [markdown]
# ## Probabilistic PCA: the loss of a family is known
#
# `hold=True` trains the model by its usual guide and the first objective, and then fits each guide to that
# one model. The usual guide, full rank, holds the posterior of this model exactly.

# %%
pca = zoo.compare(
    "ppca",
    ["amortised_normal", "amortised_full_rank", "amortised_iaf"],
    hold=True,
    seeds=2,
    steps=1500,
)
pca.table

# %% [markdown]
# The posterior of a row is a normal with correlated coordinates. The best *diagonal* normal has the exact
# mean and the variances $1 / A_{ii}$, with $A$ the posterior's precision. Its gap is
#
# $$ \log p(x) - \mathrm{ELBO} = \tfrac12 \Bigl( \sum_i \log A_{ii} - \log |A| \Bigr), $$
#
# the same for every row. A full-rank normal has no gap. An inverse autoregressive flow, whose steps are
# affine in the latents when its networks are, can reach the full-rank normal too.

# %%
(rows,) = pca.task.split("test")
least = pca.held.model.mean_field_gap(rows).mean().item()
expected = {"amortised_normal": least, "amortised_full_rank": 0.0, "amortised_iaf": 0.0}
gaps = pca.to_dataframe().groupby("guide")["gap"].mean()
for name, value in expected.items():
    print(f"{name:20} gap {gaps[name]:.4f} nats a row; no less than {value:.4f}")

# %% [markdown]
# Each gap lies a little above what the family must lose. What is left over is the encoder's: it is trained
# on other rows than these, for 1,500 steps.

# %%
for name, value in expected.items():
    assert value - 0.01 < gaps[name] < value + 0.1, (name, gaps[name], value)

# %% [markdown]
# ## An autoencoder: the loss is estimated
#
# The same with a network for a decoder. log p(x) is now estimated by importance sampling, and every guide
# estimates the *same* number, since they all have the same model under them. That is a check: estimates
# that disagree would say that some guide misses a part of the posterior.

# %%
held = zoo.fit(zoo.load("bernoulli_vae"), guides.AmortisedIAF, steps=1000)
vae = zoo.compare(
    held, ["amortised_normal", "amortised_full_rank", "amortised_iaf"], steps=600, seeds=2
)
vae.table

# %%
vae.plot()

# %% [markdown]
# The differences of the ELBO are paired by seed. `clear` means that chance does not explain one.

# %%
for one in vae.differences("elbo"):
    print(f"{one.first[0]} - {one.second[0]}: {one.value:+.3f} ± {one.se:.3f}, clear: {one.clear}")

# %% [markdown]
# The estimates of log p(x) agree far better than the ELBOs do:

# %%
frame = vae.to_dataframe().groupby("guide")[["elbo", "log_evidence"]].mean()
spread = frame.max() - frame.min()
print(f"spread of the ELBO {spread['elbo']:.3f}, of log p(x) {spread['log_evidence']:.3f} nats a row")
assert spread["log_evidence"] < 0.15
assert (frame["elbo"] < frame["log_evidence"]).all()
