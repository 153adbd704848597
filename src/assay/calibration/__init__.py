"""From raw scores to decisions: calibrators, the choice among them, prior shift and thresholds.

The built-in calibrators are registered here, the simplest first, by the call that a plug-in uses.
"""

import numpy as np

from assay.calibration import beta, desaturated, isotonic, platt, temperature
from assay.calibration.calibrators import register_calibrator

register_calibrator("identity", fit=lambda scores, labels, weights: {}, apply=lambda parameters, scores: np.exp(scores))
register_calibrator("temperature.v1", fit=temperature.fit, apply=temperature.apply)
register_calibrator("platt.v1", fit=platt.fit, apply=platt.apply)
register_calibrator("desaturated.v1", fit=desaturated.fit, apply=desaturated.apply, binary_only=True)
register_calibrator("beta.v1", fit=beta.fit, apply=beta.apply, binary_only=True)
register_calibrator("isotonic.v1", fit=isotonic.fit, apply=isotonic.apply, binary_only=True)
