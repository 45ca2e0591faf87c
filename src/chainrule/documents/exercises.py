"""The exercises of the derivation, with their answers; docs/derivation.md has the same."""

EXERCISES = (  # a title, the question, the answer
    (
        "A seventh student",
        "She studied 3 hours, watched 6 and passed. What are z, g, l and all derivatives at w = (0.05, -0.05), b = 0?",
        "z = -0.15, g = 0.46257, l = 0.770957. ∂l/∂g = -2.16183, ∂g/∂z = 0.248599, their product is g - y = -0.53743. "
        "∂l/∂w = (-1.61229, -3.22458), ∂l/∂b = -0.53743.",
    ),
    (
        "The third epoch",
        "What is the gradient at w = (0.105791, -0.0591986), b = 0.00494662?",
        "∂L/∂w = (-0.40669, 0.23861), ∂L/∂b = -0.022506.",
    ),
    (
        "The strongest row",
        "Which one pulls most on the weight of study in epoch 2, and in which direction?",
        "Row 6: its term is -2.92502. The step goes against it, so the weight rises: this student studied much and "
        "passed.",
    ),
    (
        "Centred",
        "Subtract the means, start at 0 and take one step with rate 1. Where does it lead, and what is L there?",
        "w = (0.5, -0.5), b = 0, L = 0.52678. The gradient is the same as with the raw columns, since b's is 0.",
    ),
    (
        "Every row twice",
        "How do the gradient and the limit of the learning rate change?",
        "Not at all: both are means over the rows.",
    ),
    (
        "A penalty",
        "With (α/2) w·w and α = 1, what is the gradient in w in epoch 2?",
        "w is added to it: (-0.557912 + 0.05, 0.0919859 - 0.05) = (-0.507912, 0.0419859). b has no penalty.",
    ),
    (
        "One weight",
        "With study alone and no bias, below which learning rate does no epoch raise L?",
        "L_max = (0² + 1² + 2² + 4² + 5² + 6²)/24 = 82/24 = 3.41667, and 2/3.41667 = 0.585366.",
    ),
)
