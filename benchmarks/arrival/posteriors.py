"""The fourteen posteriors of the benchmark, by name."""

from benchmarks.arrival import groups, regressions, series
from benchmarks.arrival.posterior import Posterior

POSTERIORS: dict[str, Posterior] = {
    posterior.name: posterior
    for posterior in (
        Posterior(regressions.raw_regression, regressions.simulate_raw_regression, 1),
        Posterior(regressions.collinear_regression, regressions.simulate_collinear_regression, 2),
        Posterior(series.autoregression, series.simulate_autoregression, 3),
        Posterior(series.garch, series.simulate_garch, 4),
        Posterior(groups.mixture, groups.simulate_mixture, 5),
        Posterior(groups.schools_centred, groups.simulate_schools, 6, ("theta",)),
        Posterior(groups.schools_noncentred, groups.simulate_schools, 7),
        Posterior(groups.varying_slopes, groups.simulate_varying_slopes, 8),
        Posterior(regressions.logistic, regressions.simulate_logistic, 9),
        Posterior(series.gp_regression, series.simulate_gp_regression, 10),
        Posterior(regressions.ordered_probit, regressions.simulate_ordered_probit, 11),
        Posterior(series.changepoint, series.simulate_changepoint, 12),
        Posterior(regressions.counts_by_exposure, regressions.simulate_counts_by_exposure, 13),
        Posterior(regressions.robust_regression, regressions.simulate_robust_regression, 14),
    )
}
