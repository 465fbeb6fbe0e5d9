# %% [markdown]
# # Compare estimators of the gradient
#
# A discrete latent cannot be differentiated through. Its gradient has to be estimated by the
# score function, and that estimate may be so noisy that nothing is learnt. There are many ways to
# make it less noisy. Which one is worth its cost?
#
# The model is a network with 8 binary latents for each picture of a digit. Its 256 states can
# be summed, so that the exact gradient and the exact log p(x) are known.

# %%
import guides
import zoo
from zoo.objectives import Trace

task = zoo.load("bernoulli_latent")

# %% [markdown]
# ## At equal parameters
#
# `zoo.measure_gradients` draws many gradients from each estimator, at the same parameters and
# rows, and holds their mean against the exact gradient. The last one is biased by design: it
# replaces the binary latents by numbers between 0 and 1, which can be differentiated through.

# %%
concrete = zoo.Estimator("concrete", Trace(), guide=guides.Relaxed, temperature=0.5)
measured = zoo.measure_gradients(
    task,
    guides.AmortisedDiscrete,
    ["reinforce", "rloo", "disarm", "arms", "enumerate", concrete],
    at="middle",
    draws=512,
    rows=20,
    steps=300,
    tune=100,
)
headings = ("p, no bias", "variance", "evaluations", "variance x eval.")
print(f"{'estimator':10}", *(f"{heading:>18}" for heading in headings))
for row in measured.rows:
    p = "-" if row.bias_p_value is None else f"{row.bias_p_value:.2g}"
    variance = row.variance["total"]
    shown = f"{variance.value:.3g} ± {variance.se:.1g}"
    print(f"{row.objective:10} {p:>18} {shown:>18} {row.evaluations:18} {row.cost:18.3g}")

# %% [markdown]
# Read it so: a small *p* means that the mean is not the exact gradient. *Variance x evaluations*
# is the cost of a given accuracy: an estimator with half the variance at twice the evaluations
# gains nothing.
#
# `reinforce` has no baseline. `rloo` takes two draws and subtracts from each the value of the
# other, which saves most of the variance. `disarm` and `arms` take pairs that differ as much as
# they can.

# %%
cost = {row.objective: row.cost for row in measured.rows}
biased = {row.objective: row.biased for row in measured.rows}
print(f"reinforce costs {cost['reinforce'] / cost['rloo']:.0f} times as much as rloo")
assert cost["rloo"] < cost["reinforce"]
for name in ("reinforce", "rloo", "disarm", "arms", "enumerate"):
    assert not biased[name], name
assert biased["concrete"]

# %% [markdown]
# ## In training
#
# A budget gives every estimator the same number of evaluations of log p(x, z): one that takes
# more of them in a step takes fewer steps.

# %%
trained = zoo.compare(
    task,
    ["amortised_discrete"],
    objectives=["reinforce", "rloo", "disarm"],
    budget=1500,
    seeds=2,
)
trained.table

# %% [markdown]
# The truth: log p(x) of each trained model, summed over all states.

# %%
frame = trained.to_dataframe().groupby("objective")[["elbo", "exact_log_evidence", "gap"]].mean()
print(frame.round(2).to_string())
assert frame.loc["rloo", "elbo"] > frame.loc["reinforce", "elbo"]
assert (frame["gap"] > 0).all()
