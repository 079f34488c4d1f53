
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The reader of XML plists: its state, and what mdm_plist_xml.c (structure),
 * mdm_plist_tag.c and mdm_plist_text.c use of each other.  Functions that
 * return mdm_int_t give MDM_OK, MDM_DECLINED with x->why, or MDM_ERROR.
 */


#ifndef _MDM_PLIST_XML_H_INCLUDED_
#define _MDM_PLIST_XML_H_INCLUDED_


#include "mdm_plist_guard.h"


#define MDM_XML_HEADER        10           /* "bplist00", true, false */
#define MDM_XML_TRAILER       32

#define MDM_XML_OBJECT_TRUE   0
#define MDM_XML_OBJECT_FALSE  1


typedef enum {
    MDM_XML_KEY = 0,
    MDM_XML_DICT,
    MDM_XML_DATA,
    MDM_XML_DATE,
    MDM_XML_REAL,
    MDM_XML_TRUE,
    MDM_XML_ARRAY,
    MDM_XML_FALSE,
    MDM_XML_PLIST,
    MDM_XML_STRING,
    MDM_XML_INTEGER
} mdm_xml_name_e;


typedef enum {
    MDM_XML_OPEN = 0,
    MDM_XML_CLOSE,
    MDM_XML_EMPTY
} mdm_xml_kind_e;


typedef struct {
    mdm_xml_name_e            name;
    mdm_xml_kind_e            kind;
} mdm_xml_tag_t;


typedef struct {
    mdm_xml_name_e            name;        /* dict or array */
    uint32_t                  base;        /* its first reference */
} mdm_xml_frame_t;


typedef struct {
    const u_char             *p;           /* the XML */
    const u_char             *last;

    u_char                   *start;       /* the binary plist */
    u_char                   *out;
    uint32_t                 *offsets;     /* of its objects */
    uint32_t                 *refs;        /* members of open containers */
    uint32_t                  nobjects;
    uint32_t                  nrefs;

    uint64_t                  cost;        /* memory, here and in libplist */
    uint64_t                  max_cost;
    uint32_t                  nodes;
    uint32_t                  max_nodes;
    uint32_t                  depth;
    uint32_t                  max_depth;
    u_char                    ref_size;

    const char               *why;

    mdm_xml_frame_t           frames[MDM_PLIST_DEPTH_MAX];
} mdm_xml_t;


#define mdm_xml_is_space(c)                                                   \
    ((c) == ' ' || (c) == '\n' || (c) == '\t' || (c) == '\r')


/* skips white space */
void mdm_xml_space(mdm_xml_t *x);

/* skips white space, comments and processing instructions */
mdm_int_t mdm_xml_skip(mdm_xml_t *x);

/* skips them and reads the tag that must follow */
mdm_int_t mdm_xml_next(mdm_xml_t *x, mdm_xml_tag_t *tag);

/* reads a tag */
mdm_int_t mdm_xml_tag(mdm_xml_t *x, mdm_xml_tag_t *tag);

/* the first "text" of n bytes, 2 at least, from p on, or NULL */
const u_char *mdm_xml_find(const u_char *p, const u_char *last,
    const char *text, size_t n);

/* behind a tag: the text and the end tag; each writes its object */
mdm_int_t mdm_xml_string(mdm_xml_t *x, const mdm_xml_tag_t *tag);
mdm_int_t mdm_xml_data(mdm_xml_t *x, const mdm_xml_tag_t *tag);
mdm_int_t mdm_xml_integer(mdm_xml_t *x, const mdm_xml_tag_t *tag);
mdm_int_t mdm_xml_real(mdm_xml_t *x, const mdm_xml_tag_t *tag);
mdm_int_t mdm_xml_date(mdm_xml_t *x, const mdm_xml_tag_t *tag);

/* begins an object; writes a marker with a count; 4 bytes, big endian */
void mdm_xml_object(mdm_xml_t *x);
void mdm_xml_count(mdm_xml_t *x, u_char type, size_t n);
void mdm_xml_uint32(mdm_xml_t *x, uint32_t n);


/* here, so that a static analyzer sees that it is never MDM_OK */

static inline mdm_int_t
mdm_xml_refuse(mdm_xml_t *x, const char *why)
{
    x->why = why;

    return MDM_DECLINED;
}


#endif /* _MDM_PLIST_XML_H_INCLUDED_ */
