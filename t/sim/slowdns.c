
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * For LD_PRELOAD: a system whose name servers answer nothing about names that
 * end with ".silent", for a minute.
 */


#define _GNU_SOURCE

#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>


typedef int (*slowdns_pt)(const char *node, const char *service,
    const struct addrinfo *hints, struct addrinfo **res);


int
getaddrinfo(const char *node, const char *service,
    const struct addrinfo *hints, struct addrinfo **res)
{
    size_t       n;
    slowdns_pt   next;

    n = (node != NULL) ? strlen(node) : 0;

    if (n > 7 && strcmp(node + n - 7, ".silent") == 0) {
        (void) sleep(60);
        return EAI_AGAIN;
    }

    *(void **) &next = dlsym(RTLD_NEXT, "getaddrinfo");

    return (next != NULL) ? next(node, service, hints, res) : EAI_FAIL;
}
