
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A blocking connection to Redis, for the programs of this directory and of
 * scripts/store.
 */


#ifndef _MDM_SERVER_H_INCLUDED_
#define _MDM_SERVER_H_INCLUDED_


#include <getopt.h>

#include <hiredis/hiredis.h>
#include <openssl/ssl.h>

#include "mdm_script.h"


#define MDM_EXIT_TROUBLE      2

#define MDM_ARGS              32      /* words of a command */


/* how to reach Redis, and the connection */

typedef struct {
    const char               *server;      /* "host:port" or "unix:path" */
    const char               *user;
    const char               *password_file;
    const char               *database;
    const char               *tls_ca;      /* NULL: no TLS */
    const char               *tls_cert;
    const char               *tls_key;
    const char               *tls_name;

    int                       fd;
    SSL                      *ssl;
    redisReader              *reader;
} mdm_server_t;


/* connects, authenticates, selects the database */
void mdm_server_connect(mdm_server_t *s);

void mdm_server_close(mdm_server_t *s);

/*
 * Sends a command, returns its reply, which may be an error's; to be freed
 * by freeReplyObject().  A connection that breaks ends the program.
 */
redisReply *mdm_server_command(mdm_server_t *s, size_t argc,
    const mdm_str_t *argv);

/* the same of a script with KEYS[1] */
redisReply *mdm_server_eval(mdm_server_t *s, const mdm_script_t *script,
    const mdm_str_t *key, size_t argc, const mdm_str_t *argv);

/* a file of at most size bytes, or the end of the program */
size_t mdm_read_file(const char *name, u_char *buf, size_t size);

/* says why on stderr, and ends the program; where the walk stood, too */
void mdm_trouble(const char *fmt, ...)
    __attribute__((format(printf, 1, 2), noreturn));

/* the cursor that the program is to be called with to go on, or NULL */
extern const char  *mdm_cursor;

/* the name of the program, for messages */
extern const char  *mdm_program;


/* options that say how to reach Redis, as getopt_long() takes them */

#define MDM_SERVER_SHORT      "s:u:p:n:"

#define MDM_SERVER_LONG                                                       \
    { "server",        required_argument, NULL, 's' },                        \
    { "user",          required_argument, NULL, 'u' },                        \
    { "password-file", required_argument, NULL, 'p' },                        \
    { "database",      required_argument, NULL, 'n' },                        \
    { "tls-ca",        required_argument, NULL, 'A' },                        \
    { "tls-cert",      required_argument, NULL, 'C' },                        \
    { "tls-key",       required_argument, NULL, 'K' },                        \
    { "tls-name",      required_argument, NULL, 'N' }

#define MDM_SERVER_USAGE                                                      \
    "  -s, --server ADDRESS      host:port or unix:path (127.0.0.1:6379)\n"   \
    "  -u, --user NAME           ACL user\n"                                  \
    "  -p, --password-file FILE  its password\n"                              \
    "  -n, --database N          logical database\n"                          \
    "      --tls-ca FILE         TLS, with the CA of Redis' certificate\n"    \
    "      --tls-name NAME       the name that it must have\n"                \
    "      --tls-cert FILE       our certificate\n"                           \
    "      --tls-key FILE        and its key\n"

/* takes such an option; 1: it is one */
mdm_uint_t mdm_server_option(mdm_server_t *s, int c, char *value);

/* the text, which has digits only, or the end of the program */
const char *mdm_number(const char *text);


#endif /* _MDM_SERVER_H_INCLUDED_ */
