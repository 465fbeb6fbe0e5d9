# %% [markdown]
# # Read the diagnostics
#
# Five fits, of which three are bad, each in its own way. For each we read what the zoo says, and
# then look at the truth: these models know their evidence and their posterior.

# %%
import guides
import zoo


def read(fit, *names):
    """Prints metrics and the verdict."""
    found = zoo.evaluate(fit)
    for name in names:
        if name in found:
            print(f"{name:22} {found[name].value:9.3f} ± {found[name].se:.3f} {found[name].unit}")
    print(found.verdict)
    return found


BLIND = ("elbo", "log_evidence", "ess", "k_hat")
TRUTH = ("exact_log_evidence", "gap", "posterior_mean_error", "posterior_sd_error")

# %% [markdown]
# ## A good fit
#
# Linear regression has a normal posterior, and a full-rank normal holds it. The gap is 0, every
# weight is the same, and k-hat is as low as it can be.

# %%
good = read(zoo.fit(zoo.load("linear_regression"), guides.FullRank), *BLIND, *TRUTH)

# %% [markdown]
# ## The family is too small
#
# A mean-field normal has no correlations. The regression's coefficients do. The means are right
# and the standard deviations too small: look at `posterior_sd_error`. Without the truth it shows
# in `k_hat` and `ess`.

# %%
narrow = read(zoo.fit(zoo.load("linear_regression"), guides.MeanField), *BLIND, *TRUTH)

# %% [markdown]
# ## A funnel
#
# In the centred form of eight schools the width of the effects depends on tau. No normal has such
# a shape. k-hat is near its limit of 0.7, so that the weights are in doubt, and the draws are
# wrong. The verdict also names the difficulty, a funnel, and a way out.

# %%
centred = read(zoo.fit(zoo.load("eight_schools"), guides.MeanField), *BLIND, *TRUTH)

# %% [markdown]
# The same model, written so that the effects do not depend on tau. The posterior of mu, tau and
# theta is the same, and nearly normal in the new coordinates.

# %%
noncentred = read(zoo.fit(zoo.load("eight_schools_noncentred"), guides.MeanField), *BLIND, *TRUTH)

# %% [markdown]
# ## Stopped too early
#
# The right family, and 30 steps: too few to tell whether the bound still rises, and the first
# answer says so. k-hat and the effective sample size say the rest.

# %%
early = read(zoo.fit(zoo.load("linear_regression"), guides.FullRank, steps=30), *BLIND, *TRUTH)

# %% [markdown]
# ## What the verdict said, and what is true
#
# A fit is called right here if no posterior mean is off by more than 0.2 posterior standard
# deviations and no standard deviation by more than a quarter.

# %%
fits = {
    "good": good,
    "too small": narrow,
    "centred": centred,
    "non-centred": noncentred,
    "too early": early,
}
print(f"{'fit':12} {'bound':12} {'weights':12} {'draws':12} {'k-hat':>6} {'gap':>8}  right?")
for name, found in fits.items():
    answers = [found.answers.questions[q]["answer"] for q in ("bound", "weights", "draws")]
    right = found["posterior_mean_error"].value < 0.2 and found["posterior_sd_error"].value < 0.25
    print(f"{name:12}", *(f"{answer:12}" for answer in answers), end=" ")
    print(f"{found['k_hat'].value:6.2f} {found['gap'].value:8.3f}  {right}")
    assert right or answers[2] != "yes", name
    assert found["gap"].value > -5 * found["gap"].se - 1e-3

# %% [markdown]
# No fit that is wrong got a *yes* to the third question. [The museum](../museum.md) plants more
# failures, and [the verdict's page](../verdict.md) counts its mistakes over 300 random fits.
