
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The mdm_store block: where state lives.
 */


#ifndef _NGX_MDM_STORE_H_INCLUDED_
#define _NGX_MDM_STORE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "mdm_exchange.h"
#include "mdm_secret.h"
#include "ngx_mdm_block.h"
#include "ngx_mdm_peer.h"
#include "ngx_mdm_place.h"


#define NGX_MDM_STORE_SINGLE    0
#define NGX_MDM_STORE_SENTINEL  1
#define NGX_MDM_STORE_CLUSTER   2

#define NGX_MDM_DURABILITY_NONE  0
#define NGX_MDM_DURABILITY_WAIT  1


typedef struct {
    ngx_str_t                 text;        /* as written */
    ngx_url_t                 url;         /* parsed; addrs may be empty if
                                              the name is for the resolver */
    ngx_str_t                 host;        /* without brackets, closed by
                                              NUL; empty for a socket */
    ngx_uint_t                named;       /* 1: host is no address */
    ngx_mdm_place_t           place;
} ngx_mdm_store_server_t;


/* built while the configuration is read, read-only afterwards */

typedef struct {
    ngx_str_t                 name;
    ngx_uint_t                index;       /* place among all stores */
    ngx_array_t               servers;     /* ngx_mdm_store_server_t */

    ngx_uint_t                mode;
    ngx_str_t                 master;      /* of Sentinel */
    ngx_str_t                 sentinel_user;
    ngx_str_t                 sentinel_password;
    ngx_str_t                 sentinel_password_file;

    ngx_uint_t                durability;
    ngx_uint_t                wait_replicas;
    ngx_msec_t                wait_time;

    ngx_str_t                 user;
    ngx_str_t                 password;    /* what password_file holds */
    ngx_str_t                 password_file;
    ngx_uint_t                database;

    ngx_uint_t                tls_on;
    ngx_mdm_peer_tls_conf_t   tls;         /* what peer.tls is made of */
    ngx_mdm_peer_conf_t       peer;        /* of its connections */

    mdm_secret_keys_t        *secrets;     /* of encryption_key, or NULL */
    ngx_uint_t                encryption_required;

    ngx_msec_t                timeout;
    ngx_uint_t                max_pending; /* calls a worker */
    ngx_uint_t                partitions;
    ngx_str_t                 store_id;    /* pinned; empty: it is not */
    ngx_shm_zone_t           *zone;        /* of ngx_mdm_store_id.c */
    ngx_array_t              *status_index; /* of mdm_str_t */

    ngx_uint_t                queue_limit; /* what jobs go by where it is */
    ngx_uint_t                event_limit; /* not the http level's */
    ngx_uint_t                result_ttl;  /* seconds */
    mdm_settings_t            settings;    /* of jobs, see ngx_mdm_conf.h */
    mdm_store_settings_t      core;        /* the above, as the core knows it */
    ngx_uint_t                used;        /* 1: a location serves it */

    ngx_mdm_place_t           place;       /* of "mdm_store" */
    ngx_mdm_place_t           resolver_place;
} ngx_mdm_store_t;


/* setter of "mdm_store", the block; conf is ngx_mdm_main_conf_t */
char *ngx_mdm_store(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* setter of "server" in the block */
char *ngx_mdm_store_server(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd);

/*
 * ngx_mdm_file_read() for a file of a store, with a warning if everybody can
 * read it.
 */
ssize_t ngx_mdm_store_read_file(ngx_conf_t *cf, const char *what,
    ngx_str_t *name, u_char *buf, size_t size);

/*
 * Checks the settings of a store with "tls on", and makes the context of
 * them.  NGX_CONF_OK or NGX_CONF_ERROR: the log says why.
 */
char *ngx_mdm_store_tls_init(ngx_conf_t *cf, ngx_mdm_store_t *store);

/* the server, as the target of a peer, which uses its memory */
void ngx_mdm_store_target(ngx_mdm_store_server_t *server,
    ngx_mdm_peer_target_t *target);

/*
 * Resolves the servers of all stores, once the whole configuration has been
 * read.  "stores" is an array of ngx_mdm_store_t *; NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_mdm_store_resolve(ngx_conf_t *cf, ngx_array_t *stores);

/* the store of this name, or NULL */
ngx_mdm_store_t *ngx_mdm_store_find(ngx_array_t *stores, ngx_str_t *name);

/* warns of servers that do not go with the mode or the resolver of a store */
void ngx_mdm_store_check_servers(ngx_conf_t *cf, ngx_mdm_store_t *store);

/* setter of "encryption_key" in the block */
char *ngx_mdm_store_encryption_key(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd);

/*
 * Setters of "mdm_status_index" (conf is ngx_mdm_main_conf_t) and of
 * "status_index" in the block.  A store without one gets "index", or the
 * default list if that is NULL, when all of http has been read; what the core
 * is to know of each store is complete then.
 */
char *ngx_mdm_status_index(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_mdm_store_status_index(ngx_conf_t *cf, void *block,
    ngx_mdm_block_command_t *cmd);
void ngx_mdm_store_index_init(ngx_array_t *stores, ngx_array_t *index);

/* once the block has been read: its default, and does it have a key? */
char *ngx_mdm_store_encryption_check(ngx_conf_t *cf, ngx_mdm_store_t *store);

/*
 * The keys as the meta script takes them, "id:check" in hex; returns how many
 * were written to args, whose text is in buf.
 */
#define NGX_MDM_STORE_KEY     (2 * MDM_SECRET_ID + 1 + 2 * MDM_SECRET_CHECK)
#define NGX_MDM_STORE_KEYS    (MDM_SECRET_KEYS * NGX_MDM_STORE_KEY)

ngx_uint_t ngx_mdm_store_keys(ngx_mdm_store_t *store, mdm_str_t *args,
    u_char *buf);


/* ngx_mdm_store_id.c: the id of a store, hexadecimal digits */

#define NGX_MDM_STORE_ID      32

/* checks "store_id" and makes the zone that remembers the id */
char *ngx_mdm_store_id_zone(ngx_conf_t *cf, ngx_mdm_store_t *store);

/* writes a new id; NGX_OK or NGX_ERROR */
ngx_int_t ngx_mdm_store_id_random(u_char *id);

/*
 * Writes the id that the store must have, pinned or remembered; the bytes
 * that were written, 0: none is known.
 */
size_t ngx_mdm_store_id_expected(ngx_mdm_store_t *store, u_char *id);

/*
 * Remembers the id of a server, which matches "expected", the id that it was
 * asked for (it may be empty).  NGX_OK; NGX_DECLINED: another worker has
 * remembered a different one meanwhile, or it is not an id.
 */
ngx_int_t ngx_mdm_store_id_learn(ngx_mdm_store_t *store, mdm_str_t *expected,
    mdm_str_t *id);

/* one alert for all workers, until the id matches or the reason changes */
void ngx_mdm_store_id_alert(ngx_mdm_store_t *store, ngx_str_t *reason,
    ngx_str_t *text);


#endif /* _NGX_MDM_STORE_H_INCLUDED_ */
