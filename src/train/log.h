/* log.h - a run as JSON lines: one object a report, one at the end. */
#ifndef GR_TRAIN_LOG_H
#define GR_TRAIN_LOG_H

#include "train/loop.h"

typedef struct gr_log gr_log;

/* Appends when going on. NULL with e filled. */
gr_log *gr_log_open(const char *path, bool append, gr_error *e);
/* {"event": "report", "epoch", "step", "loss", metrics..., "lr", "seconds", "tokens"}; log
 * may be NULL. Each line is flushed, so that a killed run leaves whole lines. */
void gr_log_report(gr_log *log, const gr_session *s, const gr_meter *m, int64_t epoch, int64_t step, double lr,
                   double seconds, int64_t tokens);
/* {"event": "end", "steps", "stopped", "error"}, and closes. */
void gr_log_close(gr_log *log, const gr_session *s, const gr_train_result *r, const gr_error *e);
#endif
