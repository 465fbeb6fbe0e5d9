"""The sections of docs/gallery.md on models without latents: explicit densities and flows."""

from benchmarks.densities import flows
from benchmarks.pages import densities
from benchmarks.pages.gallery_section import Section

DENSITIES = (
    Section(
        "Explicit densities",
        "log p(x) = sum_i log p(x_i | x_1 .. x_i-1),   one network for all i",
        "NADE, MADE and PixelCNN have nothing latent: log p(x) is exact in one pass, the guide is "
        "`empty`, and a draw takes a pass for each pixel. They stand beside autoencoders of the "
        "same digits, whose log p(x) is estimated by importance sampling. "
        "[densities.md](densities.md) says how it was measured.",
        ("zoo fit made", "zoo fit nade", "zoo fit pixelcnn", "zoo fit gated_pixelcnn"),
        "python -m benchmarks.densities",
        "densities.png",
        "densities.json",
        lambda record: densities.digits_table(record["rows"]),
    ),
    Section(
        "Flows of grey levels, by likelihood and by a critic",
        "y = g(u), u ~ N(0, I):   log p(y) = log N(g^-1(y); 0, I) + log |det dg^-1 / dy|",
        "A flow is a density of levels with noise, y = (k + u) / 17, and its mass in the bin of k "
        "is comparable to what a model of levels gives. FlowGAN trains the same RealNVP by a "
        "critic of its draws, with the likelihood or without it; log p is exact either way, so "
        "that one sees what the critic costs. [densities.md](densities.md) says what is exact "
        "here and what is a bound.",
        (
            "zoo fit realnvp --data digits_dequantised",
            "zoo fit maf --data digits_dequantised",
            "zoo fit nsf --data digits_dequantised",
            "zoo fit realnvp --data digits_dequantised --objective flow_gan",
        ),
        "python -m benchmarks.densities",
        "densities_grey.png",
        "densities.json",
        lambda record: densities.grey_table(record["rows"]),
    ),
    Section(
        "Flows in the plane",
        "KL( p || flow ) = E_p log p(x) - log flow(x),   p known",
        "Here the truth is known, and the table has the distance of each flow from it, nats. "
        "[flows.md](flows.md) has their draws and what each costs.",
        ("zoo fit nsf --data two_moons", "zoo fit naf --data rings"),
        "python -m benchmarks.densities.flows",
        "flows_densities.png",
        "flows.json",
        lambda record: flows.shown(record["plane"]),
    ),
)
