"""Why a metric is not among those that its group computed.

A group raises ValueError where none of its metrics can be computed. Where it computes some and
leaves one out, this table has the reason.
"""

NO_SUCH = "the task has nothing of that name"
ABSENT = {
    "psis_off_share": (
        "all rows share one weight, so that there is no share of rows; see psis_mean_shift"
    ),
    "bound_change": "the fit measured itself what is still possible; see bound_rise",
    "r_hat": "the fit measured itself how far means may still move; see still_to_move",
    "still_to_move": "the fit watched whether its parameters are stationary; see r_hat",
    "mutual_information": (
        "the guide draws auxiliary numbers, so that q(z | x) of another row's draw is not known"
    ),
}


def why_absent(name: str) -> str:
    """Why a metric that was asked for is not among those that its group computed."""
    return ABSENT.get(name, NO_SUCH)
