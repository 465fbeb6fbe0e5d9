"""Plain loops over rows and bits."""

import math

import torch


def _log_p(bit, a):
    margin = a if bit == 1 else -a
    return -math.log1p(math.exp(-margin)) if margin > 0 else margin - math.log1p(math.exp(margin))


def _sigmoid(a):
    return 1 / (1 + math.exp(-a)) if a > 0 else math.exp(a) / (1 + math.exp(a))


def _activation(z, w, c, d):
    return sum(float(z[h]) * float(w[h, d]) for h in range(len(z))) + float(c[d])


def log_joint(x, z, b, w, c):
    out = []
    for n in range(len(x)):
        total = sum(_log_p(float(z[n, h]), float(b[h])) for h in range(len(b)))
        total += sum(_log_p(float(x[n, d]), _activation(z[n], w, c, d)) for d in range(len(c)))
        out.append(total)
    return torch.tensor(out, dtype=b.dtype)


def dream(b, w, c, u_z, u_x):
    z, x = torch.zeros_like(u_z), torch.zeros_like(u_x)
    for n in range(len(u_z)):
        for h in range(len(b)):
            if float(u_z[n, h]) < _sigmoid(float(b[h])):
                z[n, h] = 1
        for d in range(len(c)):
            if float(u_x[n, d]) < _sigmoid(_activation(z[n], w, c, d)):
                x[n, d] = 1
    return z, x


def wake_gradient(x, z, b, w, c):
    slopes = [torch.zeros_like(one) for one in (b, w, c)]
    for n in range(len(x)):
        for h in range(len(b)):
            slopes[0][h] += (z[n, h] - _sigmoid(float(b[h]))) / len(x)
        for d in range(len(c)):
            error = float(x[n, d]) - _sigmoid(_activation(z[n], w, c, d))
            slopes[2][d] += error / len(x)
            for h in range(len(b)):
                slopes[1][h, d] += float(z[n, h]) * error / len(x)
    return tuple(slopes)


def sleep_gradient(x, z, v, a):
    slope_v, slope_a = torch.zeros_like(v), torch.zeros_like(a)
    for n in range(len(x)):
        for h in range(len(a)):
            error = float(z[n, h]) - _sigmoid(_activation(x[n], v, a, h))
            slope_a[h] += error / len(x)
            slope_v[:, h] += error * x[n] / len(x)
    return slope_v, slope_a


def wake_sleep_step(x, b, w, c, v, a, rate, recognise, dream, wake_gradient, sleep_gradient):
    new = []
    for old, slope in zip((b, w, c), wake_gradient(x, recognise(x)), strict=True):
        new.append(old + rate * slope)
    z_dream, x_dream = dream(x.shape[0])
    for old, slope in zip((v, a), sleep_gradient(x_dream, z_dream), strict=True):
        new.append(old + rate * slope)
    return tuple(new)


def divergences(log_joint, log_q):
    exclusive, inclusive = 0.0, 0.0
    for row, q_row in zip(log_joint.tolist(), log_q.tolist(), strict=True):
        p_x = sum(math.exp(one) for one in row)
        for one, log_q_one in zip(row, q_row, strict=True):
            gap = log_q_one - (one - math.log(p_x))
            exclusive += p_x * math.exp(log_q_one) * gap
            inclusive -= math.exp(one) * gap
    return torch.tensor(exclusive, dtype=log_q.dtype), torch.tensor(inclusive, dtype=log_q.dtype)


def reweighted_loss(log_p, log_q):
    total = log_p.new_zeros(())
    for n in range(log_p.shape[1]):
        log_w = [(log_p[k, n] - log_q[k, n]).item() for k in range(len(log_p))]
        top = max(log_w)
        mass = sum(math.exp(one - top) for one in log_w)
        for k, one in enumerate(log_w):
            total = total - math.exp(one - top) / mass * (log_p[k, n] + log_q[k, n])
    return total / log_p.shape[1]
