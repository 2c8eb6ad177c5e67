'use strict';
const { measureAdmission } = require('../admission/compare');

/** Admission and settlement without HTTP before and vLLM behind them: on a database of their own, not the gateway's. */
const admission = ({ progress }, size) => measureAdmission({ ...size, progress });

module.exports = { admission };
