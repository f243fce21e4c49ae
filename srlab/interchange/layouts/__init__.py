"""Layouts of others: what their weights are called, and what they are in ours.

One file for each network. One function for each layout takes weights by their names and returns
what network of ours they are, or None if they are of another layout. It looks at keys and shapes
only.

VDSR and EDSR pad every layer with zeros, as ours do, which subtract what theirs subtract: the
function is theirs, at the border, too. EDSR computes on 0 to 255; as all that lies between is
positively homogeneous, 255 is only taken off the biases.

Of the others the function is theirs but for the border of the picture. Ours subtract a grey from
the picture and add it to the output; that goes into the first and the last bias. What can not be
absorbed is what is around the picture: their layers pad with zeros, ours mirror the picture once.
"""
