"""Object detectors of the paper's Table 13, from the picture to the boxes: nothing is left to the host.

How many boxes a picture has is not known beforehand, but every tensor here has a static shape: results are padded. A
detector gives

- ``boxes`` [1, k, 4]: left, top, right, bottom in pixels of the picture, the best first,
- ``scores`` [1, k],
- ``classes`` [1, k]: 1 for the first class that is no background, as float32,
- ``count`` [1]: how many of the k are boxes; behind them boxes, scores and classes are zero.

The one ONNX operator whose result has no static shape, NonMaxSuppression, always stands in the same three nodes::

    selected = NonMaxSuppression(boxes, scores, limit, overlap, threshold)   int64 [any, 3]
    kept     = ScatterND(zeros, selected, GatherND(scores, selected))        float32, shape of scores

``kept`` are the scores with zeros for all boxes that were suppressed: a compiler takes the three nodes together as one
operator with a static shape. Everything after them (TopK, Gather, Sign, Mul) is static by itself.
"""
