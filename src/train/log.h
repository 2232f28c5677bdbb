/* log.h - a run as JSON lines: one object a report, one at the end. */
#ifndef GR_TRAIN_LOG_H
#define GR_TRAIN_LOG_H

#include "train/loop.h"

typedef struct gr_log gr_log;

/* Appends when going on. NULL with e filled. */
gr_log *gr_log_open(const char *path, bool append, gr_error *e);
/* {"event": "report", "epoch", "step", "over": what loss and metrics are of, "epoch" or the "steps" since the line
 * before, "loss", "metrics", "lr", "seconds", "tokens"}, of several losses "losses" too, of several rates "lrs", and, of
 * the split `valid`, "valid": {"loss", "metrics"} if it was measured; log may be NULL.
 * Each line is flushed, so that a killed run leaves whole lines. */
void gr_log_report(gr_log *log, const gr_session *s, const gr_train_report *r);
/* {"event": "end", "steps", "stopped", "error"}, where validations are watched also "early" and "best":
 * {"epoch", "step", "value"}, and closes. e: how training ended; a log that could
 * not be written ends it badly, too. */
int gr_log_close(gr_log *log, const gr_session *s, const gr_train_result *r, gr_error *e);
#endif
