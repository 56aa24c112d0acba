"""Operations that users define, side by side with PyTorch's `autograd.Function`."""


def leaf(m, *values):
    return m.tensor(list(values), dtype=m.float64, requires_grad=True)


def exponential(m):
    class Exp(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, g):
            (y,) = ctx.saved_tensors
            return g * y

    return Exp


def test_a_function_is_differentiable_twice(agree):
    def program(m):
        x = leaf(m, 0.5, -1.0)
        (g,) = m.autograd.grad(exponential(m).apply(x * x).sum(), x, create_graph=True)
        return [g, *m.autograd.grad(g.sum(), x)]

    agree(program)


def test_several_inputs_outputs_and_constants(agree):
    def program(m):
        class Both(m.autograd.Function):
            @staticmethod
            def forward(ctx, x, k, y):
                ctx.save_for_backward(x, y)
                ctx.k = k
                return x * y * k, x + y

            @staticmethod
            def backward(ctx, g, h):
                x, y = ctx.saved_tensors
                assert ctx.needs_input_grad == (True, False, True)
                return g * y * ctx.k + h, None, g * x * ctx.k + h

        x, y = leaf(m, 1.0, 2.0), leaf(m, 3.0, 4.0)
        a, b = Both.apply(x, 2.5, y)
        (a * b).sum().backward()
        return [a, b, x.grad, y.grad]

    agree(program)


def test_an_unused_output_gets_zeros_or_none(agree):
    def program(m):
        seen = []

        class Two(m.autograd.Function):
            @staticmethod
            def forward(ctx, x, materialize):
                ctx.set_materialize_grads(materialize)
                return x * 2, x * 3

            @staticmethod
            def backward(ctx, g, h):
                seen.append("none" if h is None else h.clone())
                return g * 2 + (0 if h is None else h * 3), None

        x = leaf(m, 1.0, 2.0)
        for materialize in (True, False):
            Two.apply(x, materialize)[0].sum().backward()
        return [*seen, x.grad]

    agree(program)


def test_non_differentiable_outputs(agree):
    def program(m):
        class Sort(m.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                y, order = x * 2, x > 0
                ctx.mark_non_differentiable(order)
                return y, order

            @staticmethod
            def backward(ctx, g, _):
                return g * 2

        x = leaf(m, 1.0, -2.0)
        y, order = Sort.apply(x)
        y.sum().backward()
        return [order, order.requires_grad, y.requires_grad, x.grad]

    agree(program)


def test_a_saved_tensor_changed_in_place_is_noticed(agree):
    def program(m):
        x = leaf(m, 0.5, -1.0)
        y = exponential(m).apply(x)
        y.add_(1.0)
        y.sum().backward()
        return x.grad

    agree(program)


def test_setup_context(agree):
    def program(m):
        class Cube(m.autograd.Function):
            @staticmethod
            def forward(x):
                return x**3

            @staticmethod
            def setup_context(ctx, inputs, output):
                ctx.save_for_backward(*inputs)

            @staticmethod
            def backward(ctx, g):
                (x,) = ctx.saved_tensors
                return g * 3 * x**2

        x = leaf(m, 2.0)
        Cube.apply(x).sum().backward()
        return x.grad

    agree(program)


def test_a_function_that_returns_its_input(agree):
    def program(m):
        class Same(m.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x

            @staticmethod
            def backward(ctx, g):
                return g * 10

        x = leaf(m, 1.0)
        y = Same.apply(x)
        (y * 2).sum().backward()
        return [y, y is x, x.grad]

    agree(program)
