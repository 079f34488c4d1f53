
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What channels reported, read for a list of ids: by scripts that look at some
 * thousand values each, in as many rounds as it takes.  Ids, and the manifests
 * that they are compared with, are read and written in their order.  An answer
 * has MDM_API_STATUS_BYTES at most, or one row more: then a cursor says where
 * the next page begins.
 */


#ifndef _MDM_API_STATUS_LIST_H_INCLUDED_
#define _MDM_API_STATUS_LIST_H_INCLUDED_


#include "mdm_api_ids.h"
#include "mdm_api_status.h"


#define MDM_API_STATUS_BYTES  ((size_t) 4 * 1024 * 1024)

/* lists of manifests, by their tokens */
#define MDM_API_STATUS_BUCKETS  256

/* the header of an answer that has a next page */
#define MDM_API_STATUS_NEXT   "X-Next-Cursor"


/* a declaration of a manifest */

typedef struct {
    mdm_str_t                 kind;        /* as declaration-items has it */
    mdm_str_t                 id;
    mdm_str_t                 token;       /* ServerToken */
} mdm_api_status_token_t;


/* a manifest that channels of a partition share */

typedef struct mdm_api_status_manifest_s  mdm_api_status_manifest_t;

struct mdm_api_status_manifest_s {
    uint32_t                  partition;
    mdm_str_t                 token;       /* DeclarationsToken */
    mdm_uint_t                read;        /* 1: the tokens are there */
    mdm_uint_t                round;       /* in which it was asked for last */
    mdm_str_t                 cursor;      /* where the next reply goes on */
    u_char                   *text;        /* what replies have brought */
    size_t                    len;
    size_t                    size;
    mdm_api_status_token_t   *tokens;      /* sorted */
    mdm_uint_t                ntokens;
    mdm_api_status_manifest_t  *next;      /* of those that are found alike */
};


typedef struct mdm_api_status_piece_s  mdm_api_status_piece_t;
typedef struct mdm_api_status_list_s   mdm_api_status_list_t;

struct mdm_api_status_piece_s {
    const mdm_reply_t        *reply;
    mdm_api_status_piece_t   *next;
};


/* what was read of an id */

typedef struct {
    mdm_api_status_piece_t   *pieces;      /* arrays of status_get, in order */
    mdm_api_status_piece_t  **last;
    mdm_str_t                 cursor;      /* where the next one begins */
    mdm_uint_t                done;        /* 1: there is none */
    mdm_api_status_manifest_t  *manifest;  /* that it is to be compared with */
} mdm_api_status_one_t;


/*
 * Writes what was read of id i, from behind list->behind on.  MDM_OK: all of
 * it; MDM_DECLINED: there is more than an answer has room for, list->behind
 * says how far it got; MDM_DONE: the request is refused; MDM_ERROR.
 */
typedef mdm_int_t (*mdm_api_status_write_pt)(mdm_exchange_t *x,
    mdm_api_status_list_t *list, mdm_uint_t i);


struct mdm_api_status_list_s {
    mdm_api_ids_t             ids;
    mdm_api_status_one_t     *ones;        /* of each id */

    mdm_api_status_write_pt   write;
    mdm_uint_t                declarations;    /* 1: with their manifests */
    mdm_uint_t                document;    /* 1: of one id, not a list */
    mdm_str_t                 args[MDM_NARGS_STATUS_GET];

    mdm_uint_t                first;       /* id of this page */
    mdm_uint_t                front;       /* the first that is not written */
    mdm_str_t                 behind;      /* see mdm_api_status_write_pt */
    mdm_uint_t                full;        /* 1: the page is */

    mdm_uint_t                width;       /* ids in the next round */
    mdm_uint_t                rounds;
    size_t                    read;        /* bytes, */
    size_t                    pending;     /* and since the last was written */
    void                     *calls;       /* of the round */
    mdm_api_status_manifest_t  *manifests[MDM_API_STATUS_BUCKETS];

    mdm_json_out_t            json;
    void                     *data;        /* the endpoint's */
};


/*
 * Reads the ids in x->param[0], or takes "id" alone if it is not NULL, and the
 * argument "cursor"; "what" is for the script status_get.  x->ctx is the list
 * then.  MDM_OK, MDM_DONE or MDM_ERROR.
 */
mdm_int_t mdm_api_status_start(mdm_exchange_t *x, const char *what,
    const mdm_str_t *id, mdm_api_status_write_pt write,
    mdm_api_status_list_t **plist);

/* the step, once the list is started: return what it returns */
mdm_int_t mdm_api_status_round(mdm_exchange_t *x, mdm_api_status_list_t *list);
mdm_int_t mdm_api_status_replies(mdm_exchange_t *x);

/* 1 if the answer has no room for another row */
mdm_uint_t mdm_api_status_full(const mdm_api_status_list_t *list);

/*
 * list->behind as a number, and that number into it: of rows where they have no
 * name.  MDM_OK or MDM_ERROR.
 */
mdm_uint_t mdm_api_status_skip(const mdm_api_status_list_t *list);
mdm_int_t mdm_api_status_skipped(mdm_exchange_t *x,
    mdm_api_status_list_t *list, mdm_uint_t n);

/* the cursor of the next page; MDM_OK or MDM_ERROR */
mdm_int_t mdm_api_status_cursor(mdm_exchange_t *x,
    const mdm_api_status_list_t *list, mdm_str_t *dst);


#endif /* _MDM_API_STATUS_LIST_H_INCLUDED_ */
