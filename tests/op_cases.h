/* op_cases.h - for every op a few nodes to test it with.
 *
 * CASE(op, attributes, inputs). Inputs are separated by ';', each a kind and lengths of axes:
 *     f  numbers from -1.5 to 1.5      p  from 0.3 to 1.7     u  from 0.05 to 0.95
 *     iN integers 0 .. N - 1           b  bools               -  absent
 *     t  few numbers with ties         n  as f                   q  as p
 * Gradients are checked toward f, p, u and t inputs. */
/* clang-format off */
#define ACTIVATION(op, attrs) CASE(op, attrs, "f 3 5") CASE(op, attrs, "f 4") CASE(op, attrs, "f") CASE(op, attrs, "f 0 2")
ACTIVATION("Neg", "") ACTIVATION("Abs", "") ACTIVATION("Sign", "") ACTIVATION("Exp", "") ACTIVATION("Expm1", "")
ACTIVATION("Square", "") ACTIVATION("Sin", "") ACTIVATION("Cos", "") ACTIVATION("Erf", "") ACTIVATION("Tanh", "")
ACTIVATION("Sigmoid", "") ACTIVATION("Floor", "") ACTIVATION("Ceil", "") ACTIVATION("Round", "")
ACTIVATION("LogicalNot", "") ACTIVATION("Copy", "") ACTIVATION("StopGradient", "") ACTIVATION("Cast", "dtype=float32")
ACTIVATION("ReLU", "") ACTIVATION("LeakyReLU", "") ACTIVATION("LeakyReLU", "negative_slope=0.3") ACTIVATION("ELU", "alpha=0.7")
ACTIVATION("SELU", "") ACTIVATION("CELU", "alpha=1.3") ACTIVATION("GELU", "") ACTIVATION("GELU", "approximate=tanh")
ACTIVATION("SiLU", "") ACTIVATION("Mish", "") ACTIVATION("Softplus", "") ACTIVATION("Softplus", "beta=3, threshold=2")
ACTIVATION("Softsign", "") ACTIVATION("Hardtanh", "min_val=-0.5, max_val=0.8") ACTIVATION("Hardsigmoid", "")
ACTIVATION("Hardswish", "") ACTIVATION("LogSigmoid", "") ACTIVATION("Tanhshrink", "")
ACTIVATION("Threshold", "threshold=0.2, value=-3") ACTIVATION("Clamp", "min=-0.5") ACTIVATION("Clamp", "max=0.5")
ACTIVATION("Clamp", "min=-0.5, max=0.5")
CASE("Log", "", "p 3 4") CASE("Log1p", "", "p 3 4") CASE("Sqrt", "", "p 3 4") CASE("Rsqrt", "", "p 3 4")
CASE("Reciprocal", "", "p 3 4") CASE("Cast", "dtype=int32", "f 3 4") CASE("Cast", "dtype=float32", "i5 3") CASE("Cast", "dtype=bool", "i2 3")
#undef ACTIVATION

#define BINARY(op, second) CASE(op, "", "f 3 4; " second " 3 4") CASE(op, "", "f 3 1; " second " 1 4") CASE(op, "", "f 4; " second " 2 3 4") \
    CASE(op, "", "f 2 3; " second) CASE(op, "", "f 0 3; " second " 3")
BINARY("Add", "f") BINARY("Sub", "f") BINARY("Mul", "f") BINARY("Div", "p") BINARY("Maximum", "f") BINARY("Minimum", "f")
BINARY("Equal", "f") BINARY("NotEqual", "f") BINARY("Less", "f") BINARY("LessEqual", "f") BINARY("Greater", "f")
BINARY("GreaterEqual", "f") BINARY("LogicalAnd", "f") BINARY("LogicalOr", "f")
#undef BINARY
CASE("Add", "", "f 3; f 2 3; f 1") CASE("Mul", "", "f 3; f 2 3; f 1") CASE("Maximum", "", "f 3; f 2 3; f 1")
CASE("Minimum", "", "f 3; f 2 3; f 1; f 3") CASE("Add", "", "i5 3; i4 3") CASE("Mul", "", "f 3; b 3") CASE("Add", "", "f 3")
CASE("Pow", "", "p 3 4; f 3 4") CASE("Pow", "", "p 4; f 2 1")
CASE("Where", "", "b 3 4; f 3 4; f 3 4") CASE("Where", "", "b 4; f 3 1; f") CASE("Where", "", "f 4; i3 4; i3 4")
CASE("Lerp", "", "f 3 4; f 3 4; f 3 4") CASE("Lerp", "", "f 3 4; f 4; f") CASE("MaskedFill", "value=2.5", "f 3 4; b 4")

CASE("Reshape", "shape=[6, -1]", "f 3 4") CASE("Reshape", "shape=[]", "f 1 1") CASE("Reshape", "shape=[2, 2, 3, 1]", "f 4 3") CASE("Reshape", "shape=[0, 7]", "f 3 0")
CASE("Flatten", "", "f 2 3 4") CASE("Flatten", "start_dim=-2", "f 2 3 4") CASE("Flatten", "start_dim=0, end_dim=1", "f 2 3 4") CASE("Flatten", "", "f")
CASE("Squeeze", "", "f 1 3 1") CASE("Squeeze", "dim=-1", "f 1 3 1") CASE("Squeeze", "dim=[0, 1]", "f 1 3 1")
CASE("Unsqueeze", "dim=0", "f 3 4") CASE("Unsqueeze", "dim=-1", "f 3 4") CASE("Unsqueeze", "dim=1", "f 3 4") CASE("Unsqueeze", "dim=0", "f")
CASE("Expand", "shape=[3, 4]", "f 4") CASE("Expand", "shape=[2, 3, 4]", "f 3 1") CASE("Expand", "shape=[-1, 4]", "f 3 1") CASE("Expand", "shape=[2]", "f")
CASE("Transpose", "dim0=0, dim1=1", "f 3 4") CASE("Transpose", "dim0=-1, dim1=0", "f 2 3 4") CASE("Transpose", "dim0=1, dim1=1", "f 2 3")
CASE("Permute", "dims=[2, 0, 1]", "f 2 3 4") CASE("Permute", "dims=[-1, 0]", "f 2 3")
CASE("Slice", "dim=1, start=1, stop=3", "f 2 4") CASE("Slice", "start=-2", "f 4 2") CASE("Slice", "dim=-1, start=1, step=2", "f 2 6")
CASE("Slice", "start=3, stop=1", "f 4") CASE("Select", "dim=0, index=1", "f 3 4") CASE("Select", "dim=-1, index=-1", "f 3 4") CASE("Select", "dim=0, index=0", "f 1")
CASE("Split", "sections=2, dim=-1", "f 3 4") CASE("Split", "sizes=[1, 3], dim=0", "f 4 2")
CASE("Place", "dim=0, start=1, length=5", "f 3 2") CASE("Place", "dim=-1, start=1, step=2, length=6", "f 2 3") CASE("Place", "dim=0, length=2", "f 0 2")
CASE("Concat", "", "f 2 3; f 1 3") CASE("Concat", "dim=-1", "f 2 3; f 2 1; f 2 0") CASE("Concat", "dim=1", "f 2 3 2; f 2 1 2") CASE("Concat", "", "f 3")
CASE("Stack", "", "f 2 3; f 2 3") CASE("Stack", "dim=-1", "f 2; f 2; f 2") CASE("Stack", "dim=1", "f 2 3; f 2 3")

CASE("MatMul", "", "f 3 4; f 4 5") CASE("MatMul", "", "f 4; f 4 5") CASE("MatMul", "", "f 3 4; f 4") CASE("MatMul", "", "f 4; f 4")
CASE("MatMul", "", "f 2 3 4; f 4 5") CASE("MatMul", "", "f 2 3 4; f 4") CASE("MatMul", "", "f 4; f 2 4 5") CASE("MatMul", "", "f 2 3 4; f 2 4 5")
CASE("MatMul", "", "f 2 1 3 4; f 3 4 5") CASE("MatMul", "", "f 3 4; f 2 4 5") CASE("MatMul", "", "f 1 3 4; f 2 4 5") CASE("MatMul", "", "f 2 3 4; f 1 4 5")
CASE("MatMul", "transpose_a=true", "f 4 3; f 4 5") CASE("MatMul", "transpose_b=true", "f 3 4; f 5 4")
CASE("MatMul", "transpose_a=true, transpose_b=true", "f 4 3; f 5 4") CASE("MatMul", "transpose_b=true", "f 2 3 4; f 5 4")
CASE("MatMul", "transpose_a=true", "f 2 4 3; f 4 5") CASE("MatMul", "transpose_a=true, transpose_b=true", "f 2 4 3; f 2 5 4")
CASE("MatMul", "transpose_b=true", "f 4; f 2 5 4") CASE("MatMul", "", "f 1 1; f 1 1") CASE("MatMul", "", "f 0 4; f 4 5") CASE("MatMul", "", "f 3 0; f 0 2")
CASE("PackedOperand", "", "n 3 40") CASE("PackedOperand", "transpose=true", "n 70 3") CASE("PackedOperand", "", "n 3 0")
CASE("MatMul", "", "f 2 0 4; f 4 3") CASE("BatchMatMul", "", "f 2 3 4; f 2 4 2")

#define REDUCTION(op, more) CASE(op, "" more, "f 3 4") CASE(op, "dim=0" more, "f 3 4") CASE(op, "dim=-1" more, "f 3 4") \
    CASE(op, "dim=1, keepdim=true" more, "f 2 3 4") CASE(op, "dim=[0, -1]" more, "f 2 3 4") CASE(op, "dim=[1, 2], keepdim=true" more, "f 2 3 4") \
    CASE(op, "dim=0" more, "f 130 70") CASE(op, "" more, "f 4")
REDUCTION("Sum", "") REDUCTION("Mean", "") REDUCTION("Max", "") REDUCTION("Min", "") REDUCTION("LogSumExp", "") REDUCTION("Var", "")
REDUCTION("Std", "") REDUCTION("Norm", "") REDUCTION("Norm", ", p=1") REDUCTION("Norm", ", p=3")
REDUCTION("Norm", ", p=inf")
#undef REDUCTION
CASE("Prod", "", "p 4") CASE("Prod", "dim=0", "f 3 4") CASE("Prod", "dim=-1, keepdim=true", "f 3 4") CASE("Prod", "dim=[0, 2]", "p 2 3 2")
CASE("Sum", "", "f") CASE("Sum", "dim=0", "f 0 3") CASE("Sum", "dim=-1", "f 3 0") CASE("Mean", "", "f") CASE("Max", "", "f") CASE("Max", "dim=0", "t 5 2")
CASE("Min", "", "t 6") CASE("Var", "correction=0", "f 5") CASE("Norm", "p=0", "f 5")
CASE("ProdGradient", "dim=[-1]", "n 3 4; n 3 1") CASE("ProdGradient", "dim=[0]", "n 3 4; n 1 4")
CASE("Softmax", "", "f 3 4") CASE("Softmax", "dim=0", "f 3 4") CASE("Softmax", "dim=1", "f 2 3 4") CASE("Softmax", "", "f 1") CASE("Softmax", "", "f 0 3")
CASE("LogSoftmax", "", "f 3 4") CASE("LogSoftmax", "dim=0", "f 3 4") CASE("LogSoftmax", "dim=1", "f 2 3 4") CASE("LogSoftmax", "", "f 20")
CASE("SoftmaxGradient", "", "n 3 4; n 3 4") CASE("SoftmaxGradient", "dim=-2", "n 3 4; n 3 4") CASE("LogSoftmaxGradient", "dim=-2", "n 3 4; n 3 4")

CASE("NormalizeRows", "", "f 3 5; p 5; f 5") CASE("NormalizeRows", "eps=0.3", "f 4; -; -") CASE("NormalizeRows", "axes=2", "f 3 2 4; p 2 4; -")
CASE("NormalizeRows", "centred=false", "f 2 3 5; p 5; -") CASE("NormalizeRows", "centred=false, eps=0.1", "f 3 70; -; f 70") CASE("NormalizeRows", "", "f 130 70; p 70; f 70")
CASE("NormalizeRows", "eps=0.5", "f 3 1; p 1; f 1") CASE("NormalizeRows", "", "f 0 4; p 4; f 4") CASE("NormalizeRows", "", "f 3 0; p 0; f 0")
CASE("NormalizeRowsGradient", "", "n 3 5; q 5; n 3; q 3; n 3 5") CASE("NormalizeRowsGradient", "axes=2, centred=false", "n 3 2 5; -; n 3; q 3; n 3 2 5")
CASE("NormalizeRowsWeightGradient", "", "n 3 70; n 3; q 3; n 3 70") CASE("NormalizeRowsWeightGradient", "axes=2", "n 3 2 5; n 3; q 3; n 3 2 5")
CASE("Patches", "kernel_size=3", "f 2 3 6") CASE("Patches", "kernel_size=2, stride=2, dilation=3, before=2, after=1", "f 2 7") CASE("Patches", "kernel_size=1", "f 0 3 4")
CASE("PatchesGradient", "kernel_size=3, before=1, after=1, length=4", "n 2 4 6") CASE("PatchesGradient", "kernel_size=2, stride=3, length=6", "n 2 2")
CASE("Conv1d", "out_channels=4, kernel_size=3, padding=causal", "f 2 3 5") CASE("Conv1d", "out_channels=4, kernel_size=2, stride=2, groups=2", "f 4 6")
CASE("Bilinear", "out_features=3", "f 2 4; f 2 5") CASE("Bilinear", "out_features=3", "f 4; f 5") CASE("BatchNorm1d", "track_running_stats=false", "f 4 3 2")
CASE("LayerNorm", "normalized_shape=5", "f 3 5") CASE("LayerNorm", "normalized_shape=[2, 5], elementwise_affine=false", "f 3 2 5") CASE("LayerNorm", "normalized_shape=5, bias=false", "f 3 5")
CASE("RMSNorm", "normalized_shape=[5]", "f 3 5") CASE("RMSNorm", "normalized_shape=[2, 5], eps=0.1, elementwise_affine=false", "f 3 2 5")

CASE("OneHot", "num_classes=4", "i4 3 2") CASE("OneHot", "num_classes=1", "i1") CASE("OneHot", "num_classes=3", "i3 0")
CASE("LengthMask", "size=4", "i5 3") CASE("LengthMask", "size=3", "i4 2 2") CASE("LengthMask", "size=2", "i3")
CASE("Take", "", "f 5 3; i5 2 4") CASE("Take", "padding_idx=2", "f 5 3; i2 4") CASE("Take", "", "f 5; i5 4") CASE("Take", "", "f 5 3; i5")
CASE("TakeGradient", "shape=[5, 3]", "i5 2 4; n 2 4 3") CASE("TakeGradient", "shape=[5, 70], scale_grad_by_freq=true", "i3 7; n 7 70")
CASE("Embedding", "num_embeddings=5, embedding_dim=3", "i5 2 4")
CASE("ClassLoss", "", "f 3 4; i4 3; -") CASE("ClassLoss", "label_smoothing=0.1", "f 2 3 4; i4 2 3; q 4") CASE("ClassLoss", "ignore_index=1", "f 4; i4; -")
CASE("ClassLossGradient", "", "n 3 4; i4 3; -; n 3") CASE("ClassLossGradient", "label_smoothing=0.2", "n 3 4; i4 3; q 4; n 3")
CASE("CrossEntropyLoss", "", "f 3 4; i4 3") CASE("CrossEntropyLoss", "ignore_index=1, label_smoothing=0.2", "f 2 3 4; i4 2 3; q 4")
CASE("CrossEntropyLoss", "reduction=sum", "f 3 4; i4 3; q 4") CASE("CrossEntropyLoss", "reduction=none", "f 3 4; i4 3")
CASE("NLLLoss", "", "f 3 4; i4 3") CASE("NLLLoss", "ignore_index=1", "f 2 3 4; i4 2 3; q 4") CASE("NLLLoss", "reduction=none", "f 3 4; i4 3")
#define LOSS(op, more, kind) CASE(op, "" more, kind " 3 4; u 3 4") CASE(op, "reduction=sum" more, kind " 3 4; u 3 4") CASE(op, "reduction=none" more, kind " 3; u 3")
LOSS("MSELoss", "", "f") LOSS("L1Loss", "", "f") LOSS("SmoothL1Loss", ", beta=0.6", "f") LOSS("HuberLoss", ", delta=0.6", "f") LOSS("BCELoss", "", "u")
LOSS("BCEWithLogitsLoss", "", "f") LOSS("KLDivLoss", "", "f") LOSS("KLDivLoss", ", log_target=true", "f")
#undef LOSS
CASE("KLDivLoss", "reduction=batchmean", "f 3 4; u 3 4") CASE("BCELoss", "", "u 3; u 3; p 3")
CASE("Dropout", "p=0.4", "f 30 20") CASE("DropoutMask", "p=0.4", "f 3 4") CASE("AllFinite", "", "f 3 4; f; i3 2") CASE("AllFinite", "", "f 3")
CASE("Gather", "dim=1", "f 3 4; i4 3 2") CASE("Gather", "dim=0", "f 3 4; i3 5 4") CASE("Gather", "dim=-1", "f 5; i5 3")
CASE("ScatterAdd", "dim=-1, length=4", "f 3 2; i4 3 2") CASE("ScatterAdd", "dim=0, length=4", "f 5 3; i4 5 3")
CASE("IndexSelect", "dim=0", "f 4 3; i4 5") CASE("IndexSelect", "dim=-1", "f 2 3 4; i4 2") CASE("IndexSelect", "dim=1", "f 2 3 4; i3 4")
CASE("Flip", "dims=[0]", "f 3 4") CASE("Flip", "dims=[0, -1]", "f 2 3 4") CASE("Roll", "shifts=1, dims=0", "f 3 4") CASE("Roll", "shifts=[-1, 2], dims=[0, 1]", "f 3 4")
CASE("Roll", "shifts=5", "f 3 4") CASE("Pad", "pad=[1, 2]", "f 3 4") CASE("Pad", "pad=[1, 0, 2, 1], value=7", "f 3 4") CASE("Pad", "pad=[-1, 1]", "f 3 4")
CASE("Repeat", "repeats=[2, 3]", "f 3 2") CASE("Repeat", "repeats=[2, 1, 2]", "f 3 2") CASE("Tril", "", "f 3 4") CASE("Tril", "diagonal=-1", "f 2 3 3")
CASE("Triu", "", "f 4 3") CASE("Triu", "diagonal=2", "f 3 4") CASE("CumSum", "dim=0", "f 3 4") CASE("CumSum", "dim=-1", "f 3 4") CASE("CumSum", "dim=1", "f 2 3 2")
CASE("ArgMax", "", "f 3 4") CASE("ArgMax", "dim=0", "f 3 4") CASE("ArgMax", "dim=-1, keepdim=true", "f 3 4") CASE("ArgMin", "dim=1", "f 2 3 4") CASE("ArgMin", "", "i7 4")
CASE("TopK", "k=2", "f 3 5") CASE("TopK", "k=1, dim=0", "f 3 4") CASE("TopK", "k=3, dim=1", "f 2 4 2")
CASE("Arange", "end=4", "") CASE("Arange", "end=3, dtype=float32", "") CASE("Eye", "shape=[2, 3]", "") CASE("Zeros", "shape=[2]", "") CASE("Ones", "shape=[2], dtype=int32", "")
CASE("Full", "shape=[], value=3", "") CASE("Constant", "value=[[1, 2], [3, 4.5]]", "") CASE("Parameter", "shape=[2, 3], init=Ones", "")
CASE("SequenceBLEU", "", "i3 7 2; i3 7 2") CASE("SequenceBLEU", "k=4, eos=1", "i3 9 2 2; i3 9 2 2") CASE("SequenceBLEU", "batch_first=true", "i3 2 9; i3 2 9")
CASE("SequenceBLEU", "ignore_index=0, eos=2, k=3", "i3 12; i3 12") CASE("ConfusionMatrix", "", "n 5 3; i3 5") CASE("ConfusionMatrix", "ignore_index=1", "n 4 2 3; i3 4 2")

CASE("ScaledDotProductAttention", "", "f 3 4; f 5 4; f 5 2") CASE("ScaledDotProductAttention", "is_causal=true", "f 2 3 4; f 2 5 4; f 2 5 3")
CASE("ScaledDotProductAttention", "scale=0.3", "f 2 2 3 4; f 2 1 5 4; f 5 3; b 3 5") CASE("ScaledDotProductAttention", "", "f 2 3 4; f 2 5 4; f 2 5 3; f 2 3 5")
CASE("ScaledDotProductAttention", "is_causal=true", "f 2 2 3 4; f 2 2 3 4; f 2 2 3 4; -; b 2 3") CASE("ScaledDotProductAttention", "", "f 2 1 4; f 2 1 4; f 2 1 3; -; f 2 1")
CASE("ScaledDotProductAttention", "", "f 3 2 4; f 3 6 4; f 3 6 2; b 2 6; -; i6 3") CASE("ScaledDotProductAttention", "", "f 0 4; f 5 4; f 5 2")
CASE("ScaledDotProductAttention", "dropout_p=0.3", "f 3 4; f 5 4; f 5 2")
#define LOOK(op, attrs) CASE(op, "" attrs, "f 2 3; f 5 2 3") CASE(op, "" attrs, "f 4 2 3; f 5 2 3") CASE(op, "batch_first=true" attrs, "f 2 3; f 2 5 3") \
    CASE(op, "batch_first=true" attrs, "f 2 4 3; f 2 5 3") CASE(op, "" attrs, "f 3; f 5 3") CASE(op, "" attrs, "f 2 3; f 5 3") \
    CASE(op, "" attrs, "f 2 3; f 6 2 3; i6 2") CASE(op, "batch_first=true" attrs, "f 2 4 3; f 2 6 3; i6 2") CASE(op, "" attrs, "f 3; f 6 3; i6")
LOOK("DotAttention", "") LOOK("BilinearAttention", "") LOOK("AdditiveAttention", ", hidden_size=4")
#undef LOOK
