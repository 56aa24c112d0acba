"""Solving and decomposing matrices."""

from chainrule.explain.cards.sheet import Sheet, step, told

_A, _B = [[1.0, 2.0], [3.0, 4.0]], [[2.0, 0.0], [1.0, 3.0]]
_S = [[4.0, 1.0], [1.0, 3.0]]
SINGULAR = (
    "Fails for singular matrices, and loses digits near them; solve instead of inverting.",
    "奇异矩阵会失败，接近奇异时精度差；能 solve 就不要求逆。",
)
CLOSE = (
    "The gradient explodes where two singular values (or eigenvalues) are nearly equal.",
    "两个奇异值（或特征值）接近时梯度爆炸。",
)

SHEETS: dict[str, Sheet] = {
    "matrix_solve": told(
        ("Systems of equations, Newton steps.", "线性方程组、牛顿步。"),
        SINGULAR,
        steps=(
            step(r"A X = B \Rightarrow dX = A^{-1}(dB - dA\, X)"),
            step(
                r"\frac{\partial L}{\partial B} = A^{-\top} G,\quad \frac{\partial L}{\partial "
                r"A} = -\left(A^{-\top} G\right) X^{\top}"
            ),
        ),
        gradients={"A": r"-A^{-\top} G X^{\top}", "B": r"A^{-\top} G"},
        rule="product",
        example=(_A, _B),
        related="inverse cholesky",
    ),
    "pseudo_inverse": told(
        ("Least squares with dependent columns.", "列相关时的最小二乘。"),
        ("Jumps where the rank changes.", "秩变化处跳变。"),
        steps=(
            step(
                r"dA^+ = -A^+ dA\, A^+ + A^+ A^{+\top} dA^{\top} (I - A A^+) + (I - A^+ A)\, "
                r"dA^{\top} A^{+\top} A^+"
            ),
        ),
        gradients={
            "A": r"-A^{+\top} G A^{+\top} + (I - A A^{+}) G^{\top} A^{+} A^{+\top} + "
            r"A^{+\top} A^{+} G^{\top} (I - A^{+} A)"
        },
        rule="product",
        example=(_A,),
        options={"rtol": 1e-6, "atol": 0.0},
        related="pinverse singular_values",
    ),
    "det": told(
        ("Volumes, normalising flows.", "体积、归一化流。"),
        ("Over- and underflows with the size: take slogdet.", "维数大时溢出或下溢：用 slogdet。"),
        steps=(
            step(
                r"\frac{\partial \det A}{\partial A} = \det(A)\, A^{-\top}",
                "Jacobi's formula: the cofactors.",
                "Jacobi 公式：余子式矩阵。",
            ),
        ),
        gradients={"A": r"g \det(A)\, A^{-\top}"},
        rule="product",
        example=(_A,),
        related="slogdet cofactor",
    ),
    "cofactor": told(
        ("The gradient of det, also for singular matrices.", "det 的梯度，对奇异矩阵同样成立。"),
        ("Costs a decomposition.", "需要一次分解。"),
        steps=(
            step(r"C_{ij} = (-1)^{i+j} M_{ij}"),
            step(
                r"C = \det(A)\, A^{-\top} \Rightarrow dC = \operatorname{tr}(A^{-1} dA)\, C - "
                r"\det(A)\, A^{-\top} dA^{\top} A^{-\top}",
                "Where A has an inverse:",
                "A 可逆时：",
            ),
        ),
        gradients={
            "A": r"\det(A) \left(\operatorname{tr}(A^{-1} G)\, A^{-\top} - A^{-\top} G^{\top} "
            r"A^{-\top}\right)"
        },
        rule="product",
        example=(_A,),
        related="det",
    ),
    "log_det": told(
        ("Gaussian log-likelihoods, flows.", "高斯对数似然、归一化流。"),
        ("−∞ for singular matrices.", "奇异矩阵得 −∞。"),
        steps=(
            step(
                r"d \ln |\det A| = \operatorname{tr}(A^{-1} dA) \Rightarrow \frac{\partial "
                r"L}{\partial A} = g\, A^{-\top}"
            ),
        ),
        gradients={"A": r"g\, A^{-\top}"},
        rule="product",
        example=(_A,),
        related="det slogdet",
    ),
    "cholesky_factor": told(
        ("Sampling from Gaussians, solving symmetric systems.", "高斯抽样、解对称方程组。"),
        (
            "Needs a positive definite matrix: add a little to the diagonal.",
            "要求正定：给对角线加一点。",
        ),
        steps=(
            step(
                r"A = L L^{\top} \Rightarrow dL = L\,\Phi(L^{-1} dA\, L^{-\top})",
                "Φ takes the lower triangle with half the diagonal; sym(M) = (M + Mᵀ)/2:",
                "Φ 取下三角并把对角线减半；sym(M) = (M + Mᵀ)/2：",
            ),
        ),
        gradients={"A": r"\operatorname{sym}\left(L^{-\top} \Phi(L^{\top} G) L^{-1}\right)"},
        rule="product",
        example=(_S,),
        related="cholesky_solve log_det",
    ),
    "symmetric_eigen": told(
        ("PCA, graph Laplacians.", "PCA、图拉普拉斯。"),
        CLOSE,
        steps=(
            step(
                r"d\lambda_i = v_i^{\top} dA\, v_i,\quad dv_i = \sum_{j \ne i} \frac{v_j^{\top} "
                r"dA\, v_i}{\lambda_i - \lambda_j} v_j"
            ),
            step(
                r"F_{ij} = \frac{1}{\lambda_j - \lambda_i}\ (i \ne j),\quad F_{ii} = 0",
                "The gradient is taken in the basis of the eigenvectors; A is symmetric, so only "
                "sym(M) = (M + Mᵀ)/2 counts:",
                "梯度在特征向量的基下计算；A 对称，因此只取 sym(M) = (M + Mᵀ)/2：",
            ),
        ),
        gradients={
            "A": r"\operatorname{sym}\left(V \left(\operatorname{diag}(g_\lambda) + F \odot "
            r"(V^{\top} G_V)\right) V^{\top}\right)"
        },
        rule="product",
        example=(_S,),
        related="singular_values",
    ),
    "singular_values": told(
        ("Low rank, PCA, condition numbers.", "低秩近似、PCA、条件数。"),
        CLOSE,
        steps=(
            step(r"A = U S V^{\top} \Rightarrow dS_i = u_i^{\top} dA\, v_i"),
            step(
                r"F_{ij} = \frac{1}{s_j^2 - s_i^2}\ (i \ne j),\quad F_{ii} = 0",
                "The vectors turn within their own space, and out of it where A is not square:",
                "奇异向量在各自的空间内旋转；A 非方阵时还会转出该空间：",
            ),
        ),
        gradients={
            "A": r"U \left(\operatorname{diag}(g_S) + (F \odot (U^{\top} G_U - G_U^{\top} U)) S + "
            r"S (F \odot (V^{\top} G_V - G_V^{\top} V))\right) V^{\top} + (I - U U^{\top}) G_U "
            r"S^{-1} V^{\top} + U S^{-1} G_V^{\top} (I - V V^{\top})"
        },
        rule="product",
        example=(_A,),
        options={"full": False},
        related="svd symmetric_eigen",
    ),
    "orthogonal_triangular": told(
        ("Orthogonal bases, least squares.", "正交基、最小二乘。"),
        (
            "Signs are a convention; dependent columns have no gradient.",
            "符号是约定；列相关时没有梯度。",
        ),
        steps=(
            step(
                r"A = Q R,\ Q^{\top} Q = I,\ C = Q^{\top} dA\, R^{-1} \Rightarrow dR = "
                r"\left(\operatorname{triu}(C) + \operatorname{tril}_{-1}(C)^{\top}\right) R",
                "QᵀdQ is antisymmetric, so the part of C below the diagonal is its own:",
                "QᵀdQ 反对称，因此 C 的对角线以下部分归它：",
            ),
            step(
                r"M = R\, G_R^{\top} - G_Q^{\top} Q,\quad \operatorname{copy}(M) = "
                r"\operatorname{tril}(M) + \operatorname{tril}_{-1}(M)^{\top}",
                "On the way back the lower triangle is copied to the upper one:",
                "反向时把下三角复制到上三角：",
            ),
        ),
        gradients={"A": r"\left(G_Q + Q \operatorname{copy}(M)\right) R^{-\top}"},
        rule="product",
        picture="flow:x A (n, m) | Gram and Schmidt, column by column | y Q (n, m), R (m, m)",
        related="qr orthogonal_",
    ),
}
