"""How good a model is: mAP by the protocol of the zoo, with an interval."""
