#include "routes.h"

const struct route router_routes[] = {
#define X(m, p, h, r, a, n, b, s) \
	{ ROUTE_##m, p, h, ROUTE_RESOURCE_##r, ROUTE_ACTION_##a, n, b, s },
	ROUTES(X)
#undef X
};

const size_t router_nroutes = countof(router_routes);
