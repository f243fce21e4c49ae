"""Layouts of others: what their weights are called, and what they are in ours.

One file for each network. One function for each layout takes weights by their names and returns
what network of ours they are, or None if they are of another layout. It looks at keys and shapes
only.

They pad every layer with zeros, and so do ours that are made of them, which subtract what theirs
subtract: the function is theirs, at the border, too. EDSR computes on 0 to 255; as all that lies
between is positively homogeneous, 255 is only taken off the biases.

SRCNN of its authors is an exception: its layers repeat the edge, and ours mirror the picture once.
There ours subtract a grey from the picture and add it to the output, which goes into the first and
the last bias.
"""
