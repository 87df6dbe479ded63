package rest

import (
	"github.com/labstack/echo/v4"

	"nearcase/api/dicomweb"
)

// The operations of DICOMweb read their parameters themselves: a query has
// attributes among them, and an Accept header counts too.

// SearchStudies answers a query for studies.
func (s handlers) SearchStudies(c echo.Context, name CollectionName, _ SearchStudiesParams) error {
	return s.search(c, dicomweb.Studies, place{collection: name})
}

// SearchAllSeries answers a query for series of all studies.
func (s handlers) SearchAllSeries(c echo.Context, name CollectionName, _ SearchAllSeriesParams) error {
	return s.search(c, dicomweb.Series, place{collection: name})
}

// SearchAllInstances answers a query for instances of all studies.
func (s handlers) SearchAllInstances(c echo.Context, name CollectionName, _ SearchAllInstancesParams) error {
	return s.search(c, dicomweb.Instances, place{collection: name})
}

// SearchSeries answers a query for series of a study.
func (s handlers) SearchSeries(c echo.Context, name CollectionName, study StudyUID, _ SearchSeriesParams) error {
	return s.search(c, dicomweb.Series, place{collection: name, study: study})
}

// SearchStudyInstances answers a query for instances of a study.
func (s handlers) SearchStudyInstances(c echo.Context, name CollectionName, study StudyUID, _ SearchStudyInstancesParams) error {
	return s.search(c, dicomweb.Instances, place{collection: name, study: study})
}

// SearchInstances answers a query for instances of a series.
func (s handlers) SearchInstances(c echo.Context, name CollectionName, study StudyUID, series SeriesUID, _ SearchInstancesParams) error {
	return s.search(c, dicomweb.Instances, place{collection: name, study: study, series: series})
}

// StoreStudies stores files of any study.
func (s handlers) StoreStudies(c echo.Context, name CollectionName, _ StoreStudiesParams) error {
	return s.storeFiles(c, place{collection: name})
}

// StoreStudy stores files of one study.
func (s handlers) StoreStudy(c echo.Context, name CollectionName, study StudyUID, _ StoreStudyParams) error {
	return s.storeFiles(c, place{collection: name, study: study})
}

// RetrieveStudy sends the files of a study.
func (s handlers) RetrieveStudy(c echo.Context, name CollectionName, study StudyUID, _ RetrieveStudyParams) error {
	return s.retrieve(c, place{collection: name, study: study})
}

// RetrieveSeries sends the files of a series.
func (s handlers) RetrieveSeries(c echo.Context, name CollectionName, study StudyUID, series SeriesUID, _ RetrieveSeriesParams) error {
	return s.retrieve(c, place{collection: name, study: study, series: series})
}

// RetrieveInstance sends a file.
func (s handlers) RetrieveInstance(c echo.Context, name CollectionName, study StudyUID, series SeriesUID, instance SOPInstanceUID, _ RetrieveInstanceParams) error {
	return s.retrieve(c, place{collection: name, study: study, series: series, instance: instance})
}

// RetrieveStudyMetadata answers with the metadata of a study.
func (s handlers) RetrieveStudyMetadata(c echo.Context, name CollectionName, study StudyUID, _ RetrieveStudyMetadataParams) error {
	return s.fileMetadata(c, place{collection: name, study: study})
}

// RetrieveSeriesMetadata answers with the metadata of a series.
func (s handlers) RetrieveSeriesMetadata(c echo.Context, name CollectionName, study StudyUID, series SeriesUID, _ RetrieveSeriesMetadataParams) error {
	return s.fileMetadata(c, place{collection: name, study: study, series: series})
}

// RetrieveInstanceMetadata answers with the metadata of a file.
func (s handlers) RetrieveInstanceMetadata(c echo.Context, name CollectionName, study StudyUID, series SeriesUID, instance SOPInstanceUID, _ RetrieveInstanceMetadataParams) error {
	return s.fileMetadata(c, place{collection: name, study: study, series: series, instance: instance})
}

// StudyThumbnail sends a small picture of a study.
func (s handlers) StudyThumbnail(c echo.Context, name CollectionName, study StudyUID, _ StudyThumbnailParams) error {
	return s.render(c, place{collection: name, study: study}, "", thumbnail)
}

// SeriesThumbnail sends a small picture of a series.
func (s handlers) SeriesThumbnail(c echo.Context, name CollectionName, study StudyUID, series SeriesUID, _ SeriesThumbnailParams) error {
	return s.render(c, place{collection: name, study: study, series: series}, "", thumbnail)
}

// InstanceThumbnail sends a small picture of a file.
func (s handlers) InstanceThumbnail(c echo.Context, name CollectionName, study StudyUID, series SeriesUID, instance SOPInstanceUID, _ InstanceThumbnailParams) error {
	return s.render(c, place{collection: name, study: study, series: series, instance: instance}, "", thumbnail)
}

// RetrieveRendered sends a picture of a file.
func (s handlers) RetrieveRendered(c echo.Context, name CollectionName, study StudyUID, series SeriesUID, instance SOPInstanceUID, _ RetrieveRenderedParams) error {
	return s.render(c, place{collection: name, study: study, series: series, instance: instance}, "", dicomweb.Rendering{})
}

// RetrieveFrames sends frames.
func (s handlers) RetrieveFrames(c echo.Context, name CollectionName, study StudyUID, series SeriesUID, instance SOPInstanceUID, frames FrameList, _ RetrieveFramesParams) error {
	return s.frames(c, place{collection: name, study: study, series: series, instance: instance}, frames)
}

// RetrieveRenderedFrame sends a picture of a frame.
func (s handlers) RetrieveRenderedFrame(c echo.Context, name CollectionName, study StudyUID, series SeriesUID, instance SOPInstanceUID, frames FrameList, _ RetrieveRenderedFrameParams) error {
	return s.render(c, place{collection: name, study: study, series: series, instance: instance}, frames, dicomweb.Rendering{})
}

// FrameThumbnail sends a small picture of a frame.
func (s handlers) FrameThumbnail(c echo.Context, name CollectionName, study StudyUID, series SeriesUID, instance SOPInstanceUID, frames FrameList, _ FrameThumbnailParams) error {
	return s.render(c, place{collection: name, study: study, series: series, instance: instance}, frames, thumbnail)
}

// RetrieveBulkData sends what metadata refers to.
func (s handlers) RetrieveBulkData(c echo.Context, name CollectionName, study StudyUID, series SeriesUID, instance SOPInstanceUID, path BulkPath, _ RetrieveBulkDataParams) error {
	return s.bulk(c, place{collection: name, study: study, series: series, instance: instance}, path)
}
