
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * URLs, resolved once, and loopback unless something else is allowed.
 */


#include "mdmsim_http.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>


static int sim_loopback(const struct sockaddr *sa);
static void sim_target_resolve(const sim_option_t *opt, sim_target_t *t,
    const char *port);


static int
sim_loopback(const struct sockaddr *sa)
{
    const struct in6_addr  *in6;

    if (sa->sa_family == AF_INET) {
        return ntohl(((const struct sockaddr_in *) (const void *) sa)
                     ->sin_addr.s_addr)
               >> 24 == 127;
    }

    if (sa->sa_family == AF_INET6) {
        in6 = &((const struct sockaddr_in6 *) (const void *) sa)->sin6_addr;

        return IN6_IS_ADDR_LOOPBACK(in6)
               || (IN6_IS_ADDR_V4MAPPED(in6) && in6->s6_addr[12] == 127);
    }

    return 0;
}


void
sim_target_parse(const sim_option_t *opt, const char *url, sim_target_t *t)
{
    char         port[8];
    size_t       n, len;
    unsigned     digits;
    const char  *p, *host, *end;

    memset(t, 0, sizeof(sim_target_t));

    len = strlen(url);

    for (n = 0; n < len; n++) {
        if (url[n] <= ' ' || url[n] > '~') {
            sim_die("a URL holds a character that must be percent-encoded");
        }
    }

    if (len >= sizeof(t->path)) {
        sim_die("URL too long");
    }

    memcpy(t->url, url, len + 1);

    if (strncmp(url, "https://", 8) == 0) {
        t->tls = 1;
        p = url + 8;

    } else if (strncmp(url, "http://", 7) == 0) {
        p = url + 7;

    } else {
        sim_die("\"%s\" is neither an https:// nor an http:// URL", url);
    }

    /* the host, in brackets if it is an IPv6 address */

    if (*p == '[') {
        host = ++p;
        end = strchr(host, ']');
        if (end == NULL) {
            sim_die("no \"]\" in \"%s\"", url);
        }
        p = end + 1;

    } else {
        host = p;
        p += strcspn(p, ":/?#");
        end = p;
    }

    n = (size_t) (end - host);
    if (n == 0 || n >= sizeof(t->name) - 16) {
        sim_die("no host, or too long a one, in \"%s\"", url);
    }

    memcpy(t->name, host, n);

    strcpy(port, t->tls ? "443" : "80");

    if (*p == ':') {
        p++;
        digits = 0;
        while (p[digits] >= '0' && p[digits] <= '9' && digits < 6) {
            digits++;
        }

        if (digits == 0 || digits > 5) {
            sim_die("bad port in \"%s\"", url);
        }

        memcpy(port, p, digits);
        port[digits] = '\0';
        p += digits;
    }

    if (*p != '\0' && *p != '/') {
        sim_die("\"%s\" has no path that begins with \"/\"", url);
    }

    if (strchr(p, '#') != NULL) {
        sim_die("\"%s\" has a fragment", url);
    }

    strcpy(t->path, *p == '\0' ? "/" : p);

    if (host > url && host[-1] == '[') {
        snprintf(t->host, sizeof(t->host), "[%s]:%s", t->name, port);

    } else {
        snprintf(t->host, sizeof(t->host), "%s:%s", t->name, port);
    }

    sim_target_resolve(opt, t, port);

    if (strcmp(t->address, t->name) == 0 || strchr(t->name, ':') != NULL) {
        t->name[0] = '\0';
    }
}


static void
sim_target_resolve(const sim_option_t *opt, sim_target_t *t, const char *port)
{
    int               rc;
    struct addrinfo   hints, *res, *ai;

    memset(&hints, 0, sizeof(hints));
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;

    rc = getaddrinfo(t->name, port, &hints, &res);
    if (rc != 0) {
        sim_die("cannot resolve \"%s\": %s", t->name, gai_strerror(rc));
    }

    /* IPv4 first: "localhost" is more often served there */

    for (ai = res; ai != NULL; ai = ai->ai_next) {
        if (ai->ai_family == AF_INET) {
            break;
        }
    }

    if (ai == NULL) {
        ai = res;
    }

    if (ai == NULL) {
        sim_die("no address of \"%s\"", t->name);
    }

    if (!opt->allow_remote && !sim_loopback(ai->ai_addr)) {
        sim_die("\"%s\" is not a loopback address; --allow-remote permits"
                " it", t->name);
    }

    if (ai->ai_addrlen > sizeof(t->addr)) {
        sim_die("bad address of \"%s\"", t->name);
    }

    memcpy(&t->addr, ai->ai_addr, ai->ai_addrlen);
    t->addrlen = ai->ai_addrlen;

    if (getnameinfo(ai->ai_addr, ai->ai_addrlen, t->address,
                    sizeof(t->address), NULL, 0, NI_NUMERICHOST)
        != 0)
    {
        sim_die("bad address of \"%s\"", t->name);
    }

    freeaddrinfo(res);
}
