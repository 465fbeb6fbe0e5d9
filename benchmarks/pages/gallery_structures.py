"""The sections of docs/gallery.md on hierarchies, series, manifolds, views and collapse."""

from benchmarks.pages.gallery_pictures import Dots
from benchmarks.pages.gallery_section import Section, rows_of
from benchmarks.pages.gallery_tables import collapse, hierarchy, modalities
from benchmarks.vaes import aggregated as vaes_aggregated
from benchmarks.vaes import deep_markov as vaes_deep_markov
from benchmarks.vaes import draw as vaes_draw
from benchmarks.vaes import hamiltonian as vaes_hamiltonian
from benchmarks.vaes import manifolds as vaes_manifolds
from benchmarks.vaes import semi_supervised as vaes_semi_supervised
from benchmarks.vaes import structures as vaes_structures

STRUCTURES = (
    Section(
        "Structures: groups of latents, and a picture's coarse copy",
        "z -> coarse picture y = d(x) -> x;   z_2 -> z_1 -> x",
        "Twenty latents each. 'One group, wide' has as many parameters as two groups, top-down, "
        "and gains 0.28 of the 0.39 nats of log p(x) that these gain over one group: most of "
        "the gain is size (its seconds were taken beside other work). The other 0.11 nats are "
        "the hierarchy's, or of its differently built network. Three groups gain 0.09 more with "
        "1.8 times the parameters. The same two groups with the bottom-up guide gain nothing. "
        "The self-supervised model's log p(x) is that of the picture and its coarse copy "
        "together, so it is no rival of the others.",
        ("zoo fit self_vae",),
        "python -m benchmarks.vaes.run structures",
        "vaes_structures.png",
        "vaes/structures.json",
        rows_of(vaes_structures),
        Dots("structure", ("elbo", "log_evidence"), "bound, nats/row"),
    ),
    Section(
        "Hierarchical VAE",
        "z_L ~ p,   z_l ~ N(m_l(h_{l+1}), s_l(h_{l+1})^2),   h_l = h_{l+1} + r_l(h_{l+1}, z_l)",
        "A second group gains on Fashion-MNIST, by the ELBO too; of three the middle one is "
        "hardly used in these short runs, as its KL says. The models have the same number of "
        "latents, and more parameters with more groups. log p(x) is a lower bound where k-hat "
        "is above 0.7, as in every row.",
        ("zoo fit hvae --groups 8,16 --prior vamp",),
        "python -m benchmarks.vaes.hierarchical",
        "hvae.png",
        "hierarchical.json",
        hierarchy,
        samples="hvae_samples.png",
    ),
    Section(
        "Deep latent Gaussian model: Hamiltonian moves in the guide",
        "u_0 ~ q(u | x),   v_t ~ q(v | u, x),   (u_t, w_t) = leapfrog(u_{t-1}, v_t),  r(w | u, x)",
        "One decoder, held fixed; all guides estimate the same log p(x), as they must. One "
        "move gains 0.03 of the 0.23 nats a row that the encoder's normal is below log p(x), and "
        "makes the weights' tails lighter. More moves do not gain more in these short runs, "
        "in which the networks of 2 and 4 moves have had 800 updates: whether T = 4 would with "
        "longer training, this table cannot tell. Two of three seeds: the run was stopped after "
        "them. Seconds were taken beside other work.",
        ("zoo fit dlgm --guide amortised_hamiltonian",),
        "python -m benchmarks.vaes.hamiltonian",
        "hamiltonian.png",
        "hamiltonian.json",
        vaes_hamiltonian.table,
    ),
    Section(
        "DRAW",
        "z_t ~ N(0, I),   h_t = LSTM(z_t, h_{t-1}),   c_t = c_{t-1} + write(h_t),   x ~ Bern(c_T)",
        "Without attention two steps gain 1.1 nats a row over one, and four 1.1 over two; every "
        "step has five latents of its own, so that more steps are more latents too. With "
        "attention (the guide reads through 2 x 2 filters, as in the paper) the latents are not "
        "used after 400 updates, whatever T is, and the canvas is the same for every draw. That "
        "may be the start of training, as with T = 1 without attention, or the place where "
        "windows start; this table cannot tell. Two of three seeds: the run was stopped then.",
        ("zoo fit draw --groups 5,5,5,5", "zoo fit draw_attention --groups 5,5,5,5"),
        "python -m benchmarks.vaes.draw",
        "draw.png",
        "draw.json",
        vaes_draw.table,
        samples="draw_canvas.png",
    ),
    Section(
        "DRAW on static MNIST, short",
        "as above, 20 latents a step",
        "4,000 updates, eight passes over the rows; the importance bound in the column log p(x) "
        "is by 20 draws, and so below log p(x) by an unknown amount. The ELBO rises with T, by "
        "27 nats from one step to four and by 6 more to eight; the latents rise with T too. The "
        "published bound, of 64 steps with attention and of long training, is not comparable: "
        "these fits are short. With attention (windows of 5 x 5 filters to read and to write) the "
        "latents are used, unlike on the digits above, and the bound rises with T as well, but it "
        "is 22 to 26 nats below that of the plain canvas at each T. A step writes one patch, and "
        "eight patches are few for a digit; whether attention leads with 64 is not measured. ± is "
        "over two seeds.",
        ("zoo fit draw --data binarized_mnist --groups 20,20,20,20",),
        "python -m benchmarks.vaes.draw mnist",
        "draw_mnist.png",
        "draw_mnist.json",
        vaes_draw.table,
        samples="draw_mnist_canvas.png",
    ),
    Section(
        "PixelVAE: posterior collapse and its remedies",
        "p(x | z) = prod_i p(x_i | x_<i, z)",
        "The decoder's receptive field (PixelDecoder's kernel and layers) grows from no pixel "
        "to all: KL and mutual information fall to about a third. Of the eight units seven "
        "count as active at 11 and 38 pixels and all eight elsewhere: few go still, each holds "
        "less. Warm-up and free bits bring KL back and gain log p(x); hiding context brings it "
        "back and costs log p(x).",
        (
            "zoo fit vae --decoder pixel --kl-warm-up 500",
            "zoo fit vae --decoder pixel --objective free_bits",
        ),
        "python -m benchmarks.vaes.collapse",
        "collapse.png",
        "collapse.json",
        collapse,
    ),
    Section(
        "InfoVAE and the Wasserstein autoencoder",
        "E_q log p(x | z) - 100 MMD^2( q(z), p(z) ),   q(z) = E_x q(z | x)",
        "What draws the codes to the prior: nothing (an autoencoder), each row's KL term (the "
        "ELBO), or the discrepancy of q(z) from the prior alone. The plain autoencoder's codes "
        "lie elsewhere than the prior's draws, which the test sees at once (p = 0.002, the "
        "smallest that it can find); of the others it sees nothing. Under the pixel decoder the "
        "ELBO's z says 2.1 nats about a row, that of the other two 4.6, the most that 100 rows "
        "can show. The price is the bound: codes so sharp have a KL of tens of nats, and log "
        "p(x) is not to be had where the weights of one row in twenty mislead.",
        ("zoo fit vae --objective info_vae", "zoo fit vae --objective wae"),
        "python -m benchmarks.vaes.aggregated",
        result="aggregated.json",
        table=rows_of(vaes_aggregated),
    ),
    Section(
        "Latents on a sphere and in hyperbolic space",
        "z ~ Uniform(S^(M-1)),   or   v ~ N(0, I), z = exp_o(v) on H^M;   x ~ p(x | f(z))",
        "Points of a sphere and nodes of a tree are planted in simulated rows, and autoencoders "
        "are asked to find them. A sphere finds the directions, and so does flat space with as "
        "many coordinates: the sphere's distances rank better by 0.005 and its log p(x) is "
        "higher by 0.8 nats, but the flat codes, scaled to length 1 and turned onto the truth, "
        "are nearer to it by half a degree on every seed. A plane, which has the sphere's "
        "dimension, cannot hold one. For the tree the claim that hyperbolic space recovers it "
        "better hardly comes out: ranks differ by less than seeds do, and log p(x) is lower by "
        "0.04 nats on every seed. After ± stands half the range over five seeds; angles are in "
        "degrees, after the best rotation or reflection.",
        (
            "zoo fit hyperspherical_vae --latent 3",
            "zoo fit hyperspherical_vae --guide amortised_von_mises_fisher",
            "zoo fit hyperbolic_vae --latent 2 --data planted_tree",
        ),
        "python -m benchmarks.vaes.manifolds",
        "manifolds.png",
        "manifolds.json",
        lambda record: vaes_manifolds.report(record["rows"]),
    ),
    Section(
        "Multimodal VAE",
        "q(z | x, y) ~ N(0, I) q(z | x) q(z | y)",
        "One code for a picture and its label, or for two halves; either may be missing. One "
        "diagonal normal is a poor q(z | y): 23 % of the test pictures are fitted better by "
        "pictures made from another label than by those from their own. 'One view makes the "
        "other likelier by' is log p(x | y) + log p(y | x) - log p(x, y): over pictures of the "
        "model's own it would be the mutual information of the views.",
        ("zoo fit multimodal_vae --data digits_labels",),
        "python -m benchmarks.vaes.multimodal",
        "multimodal.png",
        "multimodal.json",
        modalities,
    ),
    Section(
        "Semi-supervised VAE (M2)",
        "y ~ Categorical(1/K),   z ~ N(0, I),   x | y, z;   y is known for a few rows",
        "Digits of which 50, 100 or 300 of 1,257 rows have a label. The classifier that is "
        "part of the guide, beside the same network trained on the labelled rows alone: the "
        "rows without a label help where labels are few, and with 300 labels the two differ by "
        "less than their errors. On the right, codes of the prior, each drawn in all classes.",
        ("zoo fit semi_supervised_vae --data digits_50_labels",),
        "python -m benchmarks.vaes.semi_supervised",
        "semi_supervised.png",
        "semi_supervised.json",
        vaes_semi_supervised.table,
    ),
    Section(
        "Semi-supervised VAE (M2) on Fashion-MNIST",
        "y ~ Categorical(1/K),   z ~ N(0, I),   x | y, z;   y is known for a few rows",
        "5,000 rows of Fashion-MNIST. Here the rows without a label do harm: at each number of "
        "labels the classifier that is part of the guide makes more errors than the same network "
        "trained on the labelled rows alone. With ten times the paper's weight of the labels it "
        "makes fewer, and comes close where many rows have one. On digits, above, the same method "
        "gains. A trial of 3,000 steps in place of 1,000, by the command with --steps 3000 and "
        "--seeds 1, made it worse: 57 % with 100 labels. That the class latent sorts pictures by "
        "something else than their label would explain "
        "all of this; it is not tested.",
        ("zoo fit semi_supervised_vae --data fashion_100_labels",),
        "python -m benchmarks.vaes.semi_supervised fashion",
        "semi_supervised_fashion.png",
        "semi_supervised_fashion.json",
        vaes_semi_supervised.table,
    ),
    Section(
        "Deep Markov model: what the guide reads",
        "z_t ~ N(m(z_(t-1)), s(z_(t-1))^2),   x_t | z_t;   q(z_t | z_(t-1), x_t, .., x_T)",
        "A deep Markov model with linear parts, held at the parameters that made the sequences, "
        "so that log p(x) is known by the Kalman filter. Of the recurrent guides the one that "
        "reads the future and follows the chain is nearest; without the link from state to state "
        "the states are independent given the row. 400 steps are few: the exact posterior is a "
        "chain that reads the future, and the gap that is left to it is of training and of the "
        "form of the network. On chords, whose log p(x) is known too, the model is trained with "
        "the guide, and the gap is of both: reading the future gains 0.09 nats over the past, by "
        "2.5 standard errors of three seeds, and the link from state to state 0.33. On digits "
        "read as sequences of eight rows of pixels nobody knows log p(x), and the order is the "
        "same: the future gains 1.0 nat of the ELBO over the past, and the link 1.4.",
        ("zoo fit deep_markov", "zoo fit deep_markov --data digits_rows"),
        "python -m benchmarks.vaes.deep_markov",
        "deep_markov.png",
        "deep_markov.json",
        vaes_deep_markov.table,
    ),
    Section(
        "Multimodal VAE of Fashion-MNIST",
        "q(z | x, y) ~ N(0, I) q(z | x) q(z | y)",
        "The same model, guide and code size on pictures of clothes. By the last line the two "
        "halves make each other less likely, by 0.6 nats, where halves of digits make each "
        "other likelier by 0.7: the model gives test pictures less than if it took their halves "
        "for independent. A code of five numbers and 3,000 steps may be too few, and log p(x, "
        "y), whose k-hat is 0.74, may be estimated too low; this table cannot tell which.",
        ("zoo fit multimodal_vae --data fashion_labels",),
        "python -m benchmarks.vaes.multimodal --data fashion",
        "multimodal_fashion.png",
        "multimodal_fashion.json",
        modalities,
    ),
)
