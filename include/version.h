/* version.h: the one place that names the version. */
#ifndef VERSION_H
#define VERSION_H

#define WARDER_VERSION "0.1.0"

#endif /* !VERSION_H */
