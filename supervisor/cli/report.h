/*
 * report.h: what "warder exec" says afterwards.
 */
#ifndef REPORT_H
#define REPORT_H

#include "egress/egress.h"
#include "jail/jail.h"
#include "jail/run.h"
#include "plan.h"

/*
 * Write the JSON object {"schema":"warder.exec/1", …} and a newline to fd.
 * net is NULL where the plan has no services.
 * The members are documented in docs/report.md.
 */
must_check int report_write(int fd, const struct jail *j, const struct plan *p,
    const struct run_report *r, const struct plan_net *net,
    const struct egress_summary *traffic, struct err *e);

/*
 * One line on stderr about an end that is not the program's own doing:
 * a limit, the filter, a command that could not be executed.
 */
void report_explain(const struct plan *p, const struct run_report *r,
    const char *command);

/*
 * What went out and what did not, a line on stderr for each service that was
 * asked for anything.
 */
void report_traffic(const struct plan_net *net,
    const struct egress_summary *traffic);

#endif /* !REPORT_H */
