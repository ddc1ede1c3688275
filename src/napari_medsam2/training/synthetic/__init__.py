"""Synthetic sequences with ground truth, by domain randomisation: nobody's images are in what the bundled model learns.

A **stack** moves through one scene slice by slice, so objects shift, shrink and end; a **flow** draws a new scene for
each frame and keeps the look of each class. The idea is that of SynthSeg (Billot et al. 2023, arXiv 2107.09559) and
UniverSeg (Butoi et al. 2023, arXiv 2304.06131).

Read `sample`, then `stacks` and `flows`. `scenes` holds shapes, `anatomy`, `blobs` and `crowds` draw them,
`stack_scenes` puts them together; `courses` finds views, `appearance` draws colours and textures, `rendering` paints.
"""
