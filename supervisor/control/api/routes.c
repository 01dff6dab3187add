#include "routes.h"

const struct route routes_all[] = {
#define X(m, p, h, r, a, n, b, s) \
	{ ROUTE_##m, p, h, ROUTE_RESOURCE_##r, ROUTE_ACTION_##a, n, b, s },
	ROUTES(X)
#undef X
};

const size_t routes_count = countof(routes_all);
