/*
 * verify.h: the tests of a policy, run offline against what enforces it.
 *
 * warder-config and tests.
 */
#ifndef VERIFY_H
#define VERIFY_H

#include <stdio.h>

#include "question.h"
#include "yaml.h"

struct verify_count {
	unsigned passed, failed;
};

/*
 * Run a list of tests (the valid "tests" of a policy, or NULL) and add to
 * *count.  A line for each that fails goes to out, "FILE:LINE:COL: text"; in
 * JSON one object a line for every test.
 */
void verify_tests(const struct question_plan *p, const struct yaml_node *tests,
    int json, FILE *out, struct verify_count *count);

#endif /* !VERIFY_H */
